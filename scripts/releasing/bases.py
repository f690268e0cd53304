"""Where a base comes from: a file, the container engine, or Debian's packages."""

import hashlib
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

SUITE = "bookworm"
PLATFORM_PACKAGES = (
    *("python3", "ca-certificates", "tini", "tzdata"),
    *("postgresql", "redis-server"),
)
_EPOCH = "1700000000"  # of all files of a root file system that is made here
_SOURCES = ("/etc/apt/sources.list.d/debian.sources", "/etc/apt/sources.list")


def base_archive(name: str, packages: Sequence[str], scratch: Path) -> Path:
    """A tar for `image.base_of`. `name`: a tar's path, an image of the engine, or empty: made of
    Debian's `packages` once and kept in the cache."""
    if not name:
        return _debian(packages)
    if name.endswith(".tar"):
        path = Path(name)
        if not path.is_file():
            raise SystemExit(f"error: no file {path} (BASE_IMAGE)")
        return path
    path = scratch / "engine-base.tar"
    _run(["docker", "save", "-o", str(path), name], "docker has to have BASE_IMAGE: docker pull")
    return path


def _debian(packages: Sequence[str]) -> Path:
    kept = f"{SUITE} {' '.join(packages)}"
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "hai-release"
    path = cache / f"{hashlib.sha256(kept.encode()).hexdigest()[:16]}.tar"
    if path.is_file():
        return path
    cache.mkdir(parents=True, exist_ok=True)
    if shutil.which("mmdebstrap") is None:
        _run(["apt-get", "install", "-y", "-qq", "mmdebstrap"], "name a base: BASE_IMAGE=...")
    temporary = cache / f"{os.getpid()}.tar"
    source = next((file for file in _SOURCES if Path(file).is_file()), "")
    drop = ("usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/info")
    command = [
        *("mmdebstrap", "--quiet", "--variant=minbase", f"--include={','.join(packages)}"),
        *(f"--dpkgopt=path-exclude=/{folder}/*" for folder in drop),
        *("--customize-hook=rm -rf $1/var/lib/postgresql/*/main $1/etc/postgresql",),
        *("--customize-hook=rm -f $1/etc/hostname $1/etc/resolv.conf $1/etc/machine-id",),
        *(SUITE, str(temporary), *([source] if source else [])),
    ]
    try:
        _run(command, "see mmdebstrap's words above", SOURCE_DATE_EPOCH=_EPOCH)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return path


def _run(command: Sequence[str], hint: str, **environment: str) -> None:
    try:
        subprocess.run(command, check=True, env=os.environ | environment)
    except (OSError, subprocess.CalledProcessError) as error:
        raise SystemExit(f"error: {command[0]}: {error}\nhint: {hint}") from None
