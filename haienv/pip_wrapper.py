"""bin/pip of an environment: a script of ours, so that what tasks recorded is kept before pip
changes it. pip itself puts its own in its place when it is upgraded: then ours comes back."""

from __future__ import annotations

from contextlib import suppress

from haienv.entrypoints import umask_of
from haienv.index import replace_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from haienv.model import Environment

# Of a base without pip nothing but uv installs into the layer.
_PIP = """#!/bin/sh
# HAIENV_PIP=uv: pip install and uninstall go through haienv, which has uv and sees the base.
# Else haienv only keeps what tasks recorded, before pip changes it.
here=$(cd "$(dirname "$0")" && pwd)
environment=${here%/bin}
case "${HAIENV_PIP-}:${1-}" in
  uv:install | uv:uninstall) exec haienv pip --path "$environment" "$@" ;;
  *:install | *:uninstall)
    for noted in "${environment%/*}"/.packs/*.promise; do
      if [ -e "$noted" ] && command -v haienv >/dev/null; then
        haienv pip --path "$environment" keep || exit
      fi
      break
    done
    ;;
esac
exec "$here/python" -m pip "$@"
"""
_NAMES = ("pip", "pip3")
_OWN_PIP = tuple(f"../../../bin/{name}," for name in _NAMES)  # as pip's RECORD names them


def write_pip(environment: Environment) -> None:
    """In place of pip's own commands, which are then no files of its package any more."""
    for name in _NAMES:
        path = environment.bin_dir / name
        replace_text(path, _PIP)
        path.chmod(0o777 & ~umask_of(environment.bin_dir))
    for record in environment.site_dir.glob("pip-*.dist-info/RECORD"):
        lines = record.read_text("utf-8").splitlines(keepends=True)
        replace_text(record, "".join(line for line in lines if not line.startswith(_OWN_PIP)))


def mend_pip(environment: Environment) -> None:
    """Writes ours where it is not there any more, if that can be done."""
    with suppress(OSError):
        if any(_is_other(environment, name) for name in _NAMES):
            write_pip(environment)


def _is_other(environment: Environment, name: str) -> bool:
    try:
        with (environment.bin_dir / name).open("rb") as file:
            return file.read(len(_PIP) + 1) != _PIP.encode()
    except FileNotFoundError:
        return True
