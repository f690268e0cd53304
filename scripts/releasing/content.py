"""The files that are laid on the base: HAI under /opt/hai, its commands, its user."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from scripts.releasing.source import Source
from scripts.releasing.wheels import pip

USER = 10001  # nobody's uid: the platform's processes are not root's
EXTRAS = "server,k8s,studio"
_PREFIX = "opt/hai"
_PATH = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
_LIBC = ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64")


def lay_platform(root: Path, wheel: Path, source: Source, python: str) -> None:
    """HAI and what its servers need, for the base's `python`, such as /usr/bin/python3.11."""
    library = root / _PREFIX / "lib"
    version = python.rpartition("python")[2]
    pip(
        *("install", "--target", str(library), "--no-compile", "--only-binary=:all:"),
        *(word for libc in _LIBC for word in ("--platform", libc)),
        *("--python-version", version, "--implementation", "cp", f"{wheel}[{EXTRAS}]"),
        epoch=source.epoch,
    )
    _agent(root / _PREFIX / "agent.pyz", source)
    _commands(root, library, python)
    _forget_the_build(library)
    _compile(library, source, version)
    _on_the_path(root, python)
    for folder in ("data", "run"):
        (root / _PREFIX / folder).mkdir()


def lay_account(root: Path, passwd: str, group: str) -> None:
    """A name for USER beside the base's own: initdb, ssh and getpass want one. The texts are those
    of the base's files."""
    etc = root / "etc"
    etc.mkdir()
    home = f"/{_PREFIX}/data"
    for name, known, line in (
        ("passwd", passwd, f"hai:x:{USER}:{USER}:HAI:{home}:/bin/sh"),
        ("group", group, f"hai:x:{USER}:"),
    ):
        kept = [one for one in known.splitlines() if one.split(":")[2:3] != [str(USER)]]
        (etc / name).write_text("\n".join([*kept, line]) + "\n")


def lay_runtime(root: Path, python: str) -> None:
    """What a training image needs beyond its packages: `python` and `pip3` by the usual names."""
    bin_dir = root / "usr" / "local" / "bin"
    bin_dir.mkdir(parents=True)
    (bin_dir / "python").symlink_to(python)


def platform_config(source: Source, paths: frozenset[str]) -> dict[str, object]:
    """The image's configuration; `paths` are those of its base."""
    servers = sorted(Path(p).parent.as_posix() for p in paths if p.endswith("/bin/postgres"))
    folders = [f"/{_PREFIX}/bin", *servers[-1:], *_PATH]
    path = ":".join(dict.fromkeys(folders))
    return {
        "Cmd": ["hai-server", "--help"],
        "Entrypoint": ["/usr/bin/tini", "--"],
        "Env": [f"PATH={path}", "LANG=C.UTF-8", "PYTHONUNBUFFERED=1", f"HOME=/{_PREFIX}/data"],
        "Labels": {
            "org.opencontainers.image.revision": source.revision,
            "org.opencontainers.image.title": "hai-platform",
            "org.opencontainers.image.version": source.version,
        },
        "User": f"{USER}:{USER}",
        "WorkingDir": "/",
    }


def _agent(path: Path, source: Source) -> None:
    """Where the pods of tasks copy their agent from: hai.kubernetes.manifests.IMAGE_AGENT."""
    code = "import pathlib, sys; from hai.agent.build import build_agent as build;"
    code += "print(build(pathlib.Path(sys.argv[1])))"
    command = [sys.executable, "-c", code, str(source.folder.parent / "agent")]
    built = subprocess.check_output(command, cwd=source.folder, text=True)
    shutil.copyfile(built.strip(), path)


def _commands(root: Path, library: Path, python: str) -> None:
    """pip's scripts, under the base's interpreter."""
    bin_dir = root / _PREFIX / "bin"
    (library / "bin").rename(bin_dir)
    for script in bin_dir.iterdir():
        text = script.read_text()
        first, _, rest = text.partition("\n")
        if first.startswith("#!") and "python" in first:
            script.write_text(f"#!{python}\n{rest}")


def _forget_the_build(library: Path) -> None:
    """What differs from build to build, or says where it was built."""
    for name in ("direct_url.json", "INSTALLER", "REQUESTED", "RECORD"):
        for file in library.glob(f"*.dist-info/{name}"):
            file.unlink()


def _compile(library: Path, source: Source, version: str) -> None:
    """Bytecode that is used without a look at the sources' times, by this very Python."""
    if version != f"{sys.version_info[0]}.{sys.version_info[1]}":
        return
    code = (
        "import compileall, py_compile, sys;"
        "mode = py_compile.PycInvalidationMode.UNCHECKED_HASH;"
        "compileall.compile_dir(sys.argv[1], quiet=2, stripdir=sys.argv[1],"
        f" prependdir='/{_PREFIX}/lib', invalidation_mode=mode)"
    )
    environment = os.environ | {"PYTHONHASHSEED": "0", "SOURCE_DATE_EPOCH": str(source.epoch)}
    subprocess.run([sys.executable, "-c", code, str(library)], env=environment, check=False)


def _on_the_path(root: Path, python: str) -> None:
    """A .pth file where this interpreter looks: Debian's own looks elsewhere than Python's own."""
    version = python.rpartition("/")[2]
    kind = "site-packages" if python.startswith("/usr/local/") else "dist-packages"
    site = root / "usr" / "local" / "lib" / version / kind
    site.mkdir(parents=True)
    (site / "hai.pth").write_text(f"/{_PREFIX}/lib\n")
