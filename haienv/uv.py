"""Runs uv, which does the work of resolving and installing: docs/decisions/0028.

uv is told what pip has been told (pip.conf, PIP_*), since that is what a lab has set up, unless
uv has settings of its own. Its cache lies on the file system of the environments, so that a
package is there once, as hard links.
"""

import os
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from hai.errors import NotFound, PlatformError

# What pip calls a setting, and the variable of uv that means the same.
_SETTINGS = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "trusted-host": "UV_INSECURE_HOST",
    "cert": "SSL_CERT_FILE",
}
_OLD_NAMES = {
    "UV_DEFAULT_INDEX": ("UV_INDEX_URL",),
    "UV_INDEX": ("UV_EXTRA_INDEX_URL",),
}
# They would name another environment than the one that we give.
_MISLEADING = ("VIRTUAL_ENV", "CONDA_PREFIX", "PYTHONHOME", "PYTHONPATH", "UV_PYTHON")
_FRAME = " \t\u00d7\u2570\u2500\u25b6\u251c\u2502\u00b7"  # what uv draws around its words
_RESOLVING = tuple(["pip", verb] for verb in ("install", "compile", "sync"))
_CAUSES = ("cause:", "Caused by:")
_REASON_CHARACTERS = 600
_YES = ("1", "true", "yes", "on")


def find_uv(variables: Mapping[str, str] = os.environ) -> str:
    """The program uv: $HAIENV_UV, that of the installed package, or the one on PATH.

    Raises NotFound.
    """
    if given := variables.get("HAIENV_UV"):
        if not os.access(given, os.X_OK):
            raise NotFound(f"HAIENV_UV is {given!r}, and no program", hint="unset it, or mend it")
        return given
    with suppress(ImportError, FileNotFoundError):
        from uv import find_uv_bin  # type: ignore[import-not-found,unused-ignore]

        return os.fspath(find_uv_bin())
    import shutil

    if found := shutil.which("uv", path=variables.get("PATH")):
        return found
    raise NotFound(
        "haienv needs uv, and it is not installed",
        hint="pip install 'hai-platform[env]', or put uv on PATH",
    )


def run_uv(
    words: list[str],
    *,
    root: Path,
    doing: str,
    hint: str,
    wheels: Path | None = None,
    variables: Mapping[str, str] = os.environ,
) -> str:
    """stdout of `uv WORDS`; `root` is the folder of environments, `wheels` one more to look in.

    Raises PlatformError.
    """
    if words[:2] in _RESOLVING and _said_by_pip(variables).get("no-index", "").lower() in _YES:
        words = [*words[:2], "--no-index", *words[2:]]  # uv has no variable for it
    command = [find_uv(variables), "--color", "never", "--no-progress", *words]
    told = uv_variables(root, variables)
    if wheels:  # an option would hide what the variable names
        told["UV_FIND_LINKS"] = ",".join(filter(None, [told.get("UV_FIND_LINKS"), str(wheels)]))
    done = subprocess.run(  # noqa: S603 (uv, with words of ours)
        command,
        env=told,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode:
        raise PlatformError(f"{doing}: {reason_of(done.stderr)}", hint=hint)
    return done.stdout


def reason_of(said: str) -> str:
    """The reason that uv gives, on one line of some 600 characters at most."""
    lines = [line.lstrip(_FRAME).strip() for line in said.splitlines() if line.strip()]
    starts = [at for at, line in enumerate(lines) if line.startswith(_CAUSES)]
    told = lines[starts[0] :] if starts else lines[-1:] or ["uv gave no reason"]
    text = " ".join(line for line in told if not line.startswith("hint:"))
    for word in ("error:", *_CAUSES):
        text = text.removeprefix(word).strip()
    return text if len(text) <= _REASON_CHARACTERS else text[:_REASON_CHARACTERS] + "..."


def uv_variables(root: Path, variables: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The environment variables for uv."""
    found = {name: value for name, value in variables.items() if name not in _MISLEADING}
    for name, value in pip_settings(variables).items():
        known = (name, *_OLD_NAMES.get(name, ()))
        if not any(one in found for one in known):
            found[name] = value
    found.setdefault("UV_CACHE_DIR", os.fspath(cache_of(root, variables)))
    found.setdefault("UV_PYTHON_DOWNLOADS", "never")
    found.setdefault("UV_LINK_MODE", "hardlink" if links(root) else "copy")
    return found


def cache_of(root: Path, variables: Mapping[str, str] = os.environ) -> Path:
    """Where uv keeps what it fetched and built: beside the environments."""
    given = variables.get("UV_CACHE_DIR")
    return Path(given) if given else root / ".cache" / "uv"


def links(root: Path) -> bool:
    """Whether `root` has hard links, so that a package can be there once."""
    root.mkdir(parents=True, exist_ok=True)
    probe = root / f".links.{os.getpid()}"
    other = probe.with_suffix(".other")
    try:
        probe.touch()
        other.hardlink_to(probe)
    except OSError:
        return False
    finally:
        for path in (probe, other):
            path.unlink(missing_ok=True)
    return True


def pip_settings(variables: Mapping[str, str] = os.environ) -> dict[str, str]:
    """What pip's files and PIP_* say, by the names of uv."""
    said = _said_by_pip(variables)
    found = {name: " ".join(said.get(key, "").split()) for key, name in _SETTINGS.items()}
    if links_given := found["UV_FIND_LINKS"]:
        found["UV_FIND_LINKS"] = ",".join(one for one in links_given.split() if _is_there(one))
    return {name: value for name, value in found.items() if value}


def _said_by_pip(variables: Mapping[str, str]) -> dict[str, str]:
    said: dict[str, str] = {}
    for path in filter(Path.is_file, _pip_files(variables)):
        import configparser

        parser = configparser.RawConfigParser()
        with suppress(OSError, configparser.Error, UnicodeDecodeError):
            parser.read(path, encoding="utf-8")
        for section in ("global", "install"):
            if parser.has_section(section):
                said.update(parser.items(section))
    for key in (*_SETTINGS, "no-index"):
        if value := variables.get("PIP_" + key.upper().replace("-", "_")):
            said[key] = value
    return said


def _is_there(place: str) -> bool:
    """pip passes over a folder that is missing; uv does not start."""
    return "://" in place or Path(place).expanduser().is_dir()


def _pip_files(variables: Mapping[str, str]) -> list[Path]:
    """pip's files, of the lowest rank first."""
    home = Path(variables.get("HOME") or Path.home())
    user = Path(variables.get("XDG_CONFIG_HOME") or home / ".config")
    files = [Path("/etc/pip.conf"), home / ".pip" / "pip.conf", user / "pip" / "pip.conf"]
    if given := variables.get("PIP_CONFIG_FILE"):
        return [] if given == os.devnull else [*files, Path(given)]
    return files
