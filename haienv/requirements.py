"""Requirements as people give them: words, files, locks of uv, environments of conda."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from hai.errors import Denied, InvalidInput, NotFound
from haienv.installed import normalised

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

_NAME = re.compile(r"\s*(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)")
_CONDA = re.compile(r"(?:[\w./-]+::)?(?P<name>[\w.-]+)\s*(?P<rest>[<>=!~].*)?")
# Those whose PyPI name is another one.
_OTHER_NAMES = {
    "pytorch": "torch",
    "pytorch-gpu": "torch",
    "tensorflow-gpu": "tensorflow",
    "opencv": "opencv-python",
    "py-opencv": "opencv-python",
    "msgpack-python": "msgpack",
    "pytables": "tables",
    "matplotlib-base": "matplotlib",
    "ruamel_yaml": "ruamel.yaml",
    "python-graphviz": "graphviz",
    "faiss-gpu": "faiss-gpu-cu12",
    "importlib_metadata": "importlib-metadata",
}
# What conda has and PyPI has not: compilers, libraries, drivers, programs.
_CONDA_ALONE = (
    r"(lib.*|.*-devel?|_.*|cuda.*|cudnn|nccl|mkl.*|blas.*|openblas|openmpi|mpich|gcc.*|gxx.*|"
    r"clang.*|binutils.*|sysroot.*|compilers|c-compiler|cxx-compiler|fortran-compiler|make|"
    r"ffmpeg|nodejs|openjdk|r-.*|bioconductor-.*|tk|zlib|xz|bzip2|readline|sqlite|openssl|"
    r"ncurses|ca-certificates|ld_impl.*|git|git-lfs|tmux|hdf5|gdal|proj|geos|pytorch-cuda|"
    r"pytorch-mutex|cpuonly|magma.*|intel-openmp|llvm-openmp|tbb|nomkl|icu|glib|qt.*|pandoc)"
)
_OF_CONDA_ITSELF = frozenset({"pip", "setuptools", "wheel", "conda", "python"})


@dataclass(frozen=True, slots=True)
class Requirements:
    """What is asked for: lines of requirements, files of them, and folders of code (pip's -e).

    `exact`: they are a lock, so nothing else may be chosen. `python`: the version that they want.
    """

    lines: tuple[str, ...] = ()
    files: tuple[Path, ...] = ()
    editable: tuple[str, ...] = ()
    exact: bool = False
    python: str = ""
    missing: tuple[str, ...] = ()  # what conda alone can provide

    def __bool__(self) -> bool:
        return bool(any(map(str.strip, self.lines)) or self.files or self.editable)

    def names(self) -> set[str]:
        """The packages that are named in words: those may differ from the base's."""
        return {name for line in [*self.lines, *_lines_of(self.files)] if (name := name_of(line))}


def name_of(line: str) -> str:
    """The normalised package of one line of requirements; "" for a comment, an option, a URL."""
    found = _NAME.match(line)
    if not found or "://" in line.split(" @ ")[0] or line.lstrip().startswith((".", "/")):
        return ""
    return normalised(found["name"])


def _lines_of(files: Iterable[Path]) -> Iterable[str]:
    for path in files:
        if path.suffix != ".toml":
            yield from path.read_text(encoding="utf-8").splitlines()


def files_at(paths: Iterable[str]) -> tuple[Path, ...]:
    """Files of requirements. Raises NotFound, Denied, InvalidInput."""
    found = tuple(map(Path, paths))
    for path in found:
        _check(path)
        if path.suffix != ".toml":
            _check_text(path)
    return found


def from_lock(path: Path) -> Requirements:
    """pylock.toml, or uv.lock beside its pyproject.toml. Raises NotFound, InvalidInput."""
    _check(path)
    if path.name != "uv.lock":
        import tomllib

        try:
            known = tomllib.loads(path.read_text(encoding="utf-8"))
        except (ValueError, UnicodeDecodeError) as error:
            raise InvalidInput(
                f"{path} is no lock: {error}", hint="give uv.lock or pylock.toml"
            ) from error
        if "lock-version" not in known:
            raise InvalidInput(f"{path} has no lock-version", hint="give uv.lock or pylock.toml")
    elif not (path.parent / "pyproject.toml").is_file():
        raise NotFound(
            f"{path} has no pyproject.toml beside it", hint="give the lock in its project's folder"
        )
    return Requirements(files=(path,), exact=True)


def lines_of_lock(path: Path) -> list[str]:
    """The packages of a pylock.toml as lines of requirements, with their hashes."""
    import tomllib

    document = tomllib.loads(path.read_text(encoding="utf-8"))
    return [_line_of(entry) for entry in document.get("packages", [])]


def _line_of(entry: dict[str, Any]) -> str:
    marker = f" ; {entry['marker']}" if "marker" in entry else ""
    vcs, archive = entry.get("vcs"), entry.get("archive")
    if vcs:
        return f"{entry['name']} @ {vcs['type']}+{vcs['url']}@{vcs['commit-id']}{marker}"
    if archive and "url" in archive:
        return f"{entry['name']} @ {archive['url']}{marker}"
    if "version" not in entry:
        raise InvalidInput(
            f"the lock gives {entry['name']} no version", hint="add a folder of code with -e"
        )
    found = [one["hashes"] for one in [*entry.get("wheels", ()), entry.get("sdist", {})] if one]
    hashes = " ".join(f"--hash={name}:{value}" for one in found for name, value in one.items())
    return f"{entry['name']}=={entry['version']}{marker} {hashes}".rstrip()


def from_conda(path: Path) -> Requirements:
    """environment.yml of conda, as packages of PyPI. Raises NotFound, InvalidInput."""
    import yaml  # late: most commands need none

    _check(path)
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
        wanted = document["dependencies"]
        if not isinstance(wanted, list):
            raise TypeError("dependencies is no list")
    except (yaml.YAMLError, KeyError, TypeError, UnicodeDecodeError) as error:
        raise InvalidInput(
            f"{path} is no environment of conda: {error}",
            hint="conda env export --from-history writes one",
        ) from error
    return _of_conda(wanted, path)


def _of_conda(wanted: list[Any], path: Path) -> Requirements:
    lines: list[str] = []
    missing: list[str] = []
    python = ""
    for entry in wanted:
        if isinstance(entry, dict):
            listed = entry.get("pip") or []
            if not isinstance(listed, list):
                raise InvalidInput(f"{path}: pip is no list", hint="write `- pip:` and a list")
            lines += map(str, listed)
            continue
        found = _CONDA.fullmatch(str(entry).strip())
        if not found:
            raise InvalidInput(
                f"{path}: {str(entry)[:80]!r} is no package of conda",
                hint="write each as NAME, NAME=VERSION or CHANNEL::NAME=VERSION",
            )
        name, rest = found["name"].lower(), _conda_version(found["rest"] or "")
        if name == "python":
            python = _plain_version(rest)
        elif name in _OF_CONDA_ITSELF:
            continue
        elif name in _OTHER_NAMES:
            lines.append(_OTHER_NAMES[name] + rest)
        elif re.fullmatch(_CONDA_ALONE, name):
            missing.append(name)
        else:
            lines.append(name + rest)
    return Requirements(tuple(lines), python=python, missing=tuple(missing))


def _conda_version(text: str) -> str:
    """`=1.2=py311_0` and `1.2.*` of conda, as pip writes them."""
    text = text.replace(" ", "")
    if text.startswith("=="):
        return "==" + text[2:].split("=")[0]
    if not text.startswith("="):
        return text
    version = text[1:].split("=")[0]
    fuzzy = "=" not in text[1:] and not version.endswith("*")
    return f"=={version}.*" if fuzzy else f"=={version}"


def _plain_version(rest: str) -> str:
    found = re.search(r"\d+\.\d+", rest)
    return found[0] if found else ""


def _check_text(path: Path) -> None:
    try:
        path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{path} is not UTF-8 text", hint="write it anew as UTF-8") from error


def _check(path: Path) -> None:
    if path.is_file() and not os.access(path, os.R_OK):
        raise Denied(f"{path} cannot be read", hint="ask its owner to open it: chmod o+r")
    if not path.is_file():
        raise NotFound(f"no file {path}", hint="give the path of a file that can be read")
