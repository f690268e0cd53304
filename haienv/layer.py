"""How the resolver sees the packages below a layer: as wheels that have metadata and no files.

uv does not know that a layer sees its base. So each package of the base is offered to it in a
folder of wheels with the base's own version, which may be in no index at all (torch 2.1+cu118),
and a constraint keeps it at that version. What the resolver picks from there is left out of what
is installed.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from haienv.installed import Installed, installed_in
from haienv.lock import digest
from haienv.model import Environment

BASE_FILE = "_haienv_base.pth"
_ADDED = re.compile(r"site\.addsitedir\((?P<quote>['\"])(?P<path>.*)(?P=quote)\)")
_WHEEL = "Wheel-Version: 1.0\nGenerator: haienv\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


def base_text(directories: tuple[str, ...]) -> str:
    """The content of the .pth file of a layer over `directories`."""
    lines = [f"import site; site.addsitedir({directory!r})" for directory in directories]
    return "\n".join(lines) + "\n"


def base_directories(environment: Environment) -> list[Path]:
    """Where the packages below `environment` lie; [] if it extends nothing."""
    if environment.extends is None:
        return []
    try:
        text = (environment.site_dir / BASE_FILE).read_text(encoding="utf-8")
    except FileNotFoundError:
        return []
    return [Path(found["path"]) for found in _ADDED.finditer(text)]


def base_packages(environment: Environment) -> dict[str, Installed]:
    """The packages that the layer sees below itself, by name."""
    return installed_in(base_directories(environment))


def base_identity(base: Mapping[str, Installed]) -> str:
    """Changes when a package below changes; "" for none."""
    return digest(f"{one.name}=={one.version}" for one in _sorted(base)) if base else ""


def write_stubs(base: Mapping[str, Installed], folder: Path) -> None:
    """Puts a wheel without files in `folder` for each package of `base`."""
    import zipfile

    for one in _sorted(base):
        metadata = _metadata(one)
        stem = f"{one.name.replace('-', '_')}-{one.version}"
        with zipfile.ZipFile(folder / f"{stem}-py3-none-any.whl", "w") as wheel:
            wheel.writestr(f"{stem}.dist-info/METADATA", metadata)
            wheel.writestr(f"{stem}.dist-info/WHEEL", _WHEEL)
            wheel.writestr(f"{stem}.dist-info/RECORD", "")


def _metadata(one: Installed) -> str:
    """Name, version and requirements alone: long descriptions cost time and say nothing here."""
    kept = ("requires-dist:", "requires-python:", "provides-extra:")
    lines = [f"Metadata-Version: 2.1\nName: {one.name}\nVersion: {one.version}"]
    text = (one.folder / "METADATA").read_text(encoding="utf-8", errors="replace")
    head = text.split("\n\n", 1)[0]
    lines += [line for line in head.splitlines() if line.lower().startswith(kept)]
    return "\n".join(lines) + "\n"


def _sorted(base: Mapping[str, Installed]) -> list[Installed]:
    return [base[name] for name in sorted(base)]
