"""Packs: an environment as one file, from which nodes unpack it (hai/agent/packs.py).

    <root>/.packs/<identity>-<state>.tar.gz   one for each state, made once, for its owner alone
    <root>/.packs/<identity>-<state>.json     what a task records of it; written last

Environments of other names may have the same packages, so one identity: their states differ.

An environment may be unpacked anywhere: uv's scripts find their Python beside themselves, and those
of pip are changed so that they do. What a layer sees below itself goes along, unless it belongs to
the Python itself, which stays where it is.
"""

import json
import os
import re
import shutil
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

from hai import files
from hai.agent.envplace import UNPACKED
from hai.agent.envstore import EnvironmentStore
from hai.agent.packs import ENTRY_BYTES, PROMISE, pack_name, state_of
from hai.errors import Conflict, Denied, PlatformError
from haienv.index import FILE_NAME, PACKS, SHELL_FILE_NAME, Index
from haienv.layer import BASE_FILE, base_directories
from haienv.lock import Lock
from haienv.locked import lock_of
from haienv.model import Environment

AGAIN = ".again-"  # beside the packs: what is made again for one (haienv.again)
_BASES = "haienv-base"  # in a pack: what lies below the layer
_LEFT_OUT = frozenset(
    {".lock", ".changing", "snapshots", "CACHEDIR.TAG", SHELL_FILE_NAME, FILE_NAME}
)
_TRIES = 3
_MOST_SCRIPT_BYTES = 1 << 20
_FIND_PYTHON = rb"""#!/bin/sh
'''exec' "$(dirname -- "$(realpath -- "$0")")"/'python' "$0" "$@"
' '''
"""


@dataclass(frozen=True, slots=True)
class Pack:
    """One pack: its digest is SHA-256, `size` the bytes that it takes unpacked."""

    path: Path
    digest: str
    size: int
    state: str  # of the place that it was made from
    sites: tuple[str, ...]


def packed(index: Index, environment: Environment, say: Any) -> tuple[Lock, Pack]:
    """The lock of `environment` and its pack, made now if it was not there.

    Raises Denied, PlatformError; Conflict if somebody changes it meanwhile.
    """
    folder = index.root / PACKS
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for _ in range(_TRIES):
            lock, state = lock_of(environment), state_now(environment)
            with _held(folder, pack_name(lock.identity, state)):
                found = _known(folder, lock.identity, state)
                if found is None:
                    say(f"packing {environment.name} for the nodes (once for {lock.identity})")
                    found = _make(folder, environment, lock, state, sites_of(environment))
            if lock_of(environment) == lock and state_now(environment) == state:
                os.utime(found.path)  # haienv gc keeps what is in use
                return lock, found
            _forget(folder, pack_name(lock.identity, state))
    except OSError as error:
        raise Denied(
            f"cannot pack {environment.name!r} in {folder}: {error}",
            hint="free some space there, or: haienv gc; --env-follow needs no pack",
        ) from error
    raise Conflict(f"{environment.name!r} is being changed", hint="submit again when that is done")


def keep_as(folder: Path, made: Environment, lock: Lock, state: str, sites: Sequence[Path]) -> None:
    """The pack in `folder` of what had `state` and `sites`, and is in `made`. Denied."""
    try:
        with _held(folder, pack_name(lock.identity, state)):
            if _known(folder, lock.identity, state) is None:
                _make(folder, made, lock, state, sites)
    except OSError as error:
        raise Denied(
            f"cannot pack it in {folder}: {error}", hint="free some space there"
        ) from error


def _known(folder: Path, identity: str, state: str) -> Pack | None:
    """A pack of the same state: equal identities can be made of other files (a Python, a build)."""
    name = pack_name(identity, state)
    try:
        document = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
        found = Pack(
            folder / f"{name}.tar.gz",
            str(document["digest"]),
            int(document["bytes"]),
            str(document["state"]),
            tuple(map(str, document["sites"])),
        )
        is_whole = found.path.stat().st_size == document["packed_bytes"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found if is_whole and found.state == state else None


def _make(
    folder: Path, environment: Environment, lock: Lock, state: str, sites: Sequence[Path]
) -> Pack:
    from haienv.gzips import GzipMembers

    name = pack_name(lock.identity, state)
    path = folder / f"{name}.tar.gz"
    size = 0
    with files.new_file(path, sync=True, part=f".{name}.part") as file:
        members = GzipMembers(file)
        try:
            with tarfile.open(fileobj=members, mode="w|", format=tarfile.PAX_FORMAT) as tar:
                for member, content in _members(environment):
                    _add(tar, member, content)
                    size += member.size + ENTRY_BYTES
        finally:
            members.close()
        packed_bytes = file.tell()
    made = Pack(path, members.digest.hexdigest(), size, state, tuple(map(str, sites)))
    document = {
        "digest": made.digest,
        "bytes": made.size,
        "packed_bytes": packed_bytes,
        "state": made.state,
        "sites": list(made.sites),
    }
    files.write_whole(folder / f"{name}.json", json.dumps(document) + "\n")
    return made


def _add(tar: tarfile.TarFile, member: tarfile.TarInfo, content: Path | bytes | None) -> None:
    if isinstance(content, Path):
        with content.open("rb") as file:
            tar.addfile(member, file)
    else:
        tar.addfile(member, None if content is None else BytesIO(content))


def _held(folder: Path, name: str) -> AbstractContextManager[None]:
    """The only right to make or remove that pack."""
    return files.held(files.open_lock(folder / f".{name}.lock", owners=files.trusted_owners()))


def _forget(folder: Path, name: str) -> None:
    (folder / f"{name}.json").unlink(missing_ok=True)
    (folder / f"{name}.tar.gz").unlink(missing_ok=True)


def remove_unused(folder: Path, oldest: float) -> list[Path]:
    """Removes the packs that were last used before `oldest`, in seconds since 1970, and what of
    them lies unpacked beside them and is not in use; which packs."""
    removed = []
    for path in sorted(folder.glob("*.tar.gz")):
        name = path.name.removesuffix(".tar.gz")
        with _held(folder, name):
            if path.stat().st_mtime < oldest:
                _forget(folder, name)
                removed.append(path)
    for noted in folder.glob(f"*{PROMISE}"):
        if noted.stat().st_mtime < oldest:
            noted.unlink(missing_ok=True)
    for left in folder.glob(f"{AGAIN}*"):  # cut off
        if left.stat().st_mtime < oldest:
            shutil.rmtree(left, ignore_errors=True)
    unpacked = folder / UNPACKED
    if unpacked.is_dir():
        EnvironmentStore(str(unpacked), 0).remove_unused(oldest)
    return removed


def sites_of(environment: Environment) -> list[Path]:
    return [environment.site_dir, *base_directories(environment)]


def state_now(environment: Environment) -> str:
    """What its place is like now, for agents. Raises PlatformError for a broken one."""
    try:
        return state_of(str(environment.path), list(map(str, sites_of(environment))))
    except OSError as error:
        raise PlatformError(
            f"{environment.name!r} is broken: {error}",
            hint=f"haienv verify {environment.name} says what is wrong",
        ) from error


def _members(environment: Environment) -> Iterator[tuple[tarfile.TarInfo, Path | bytes | None]]:
    """All that goes into a pack: each entry and its content, if it is a file."""
    base = environment.site_dir.relative_to(environment.path) / BASE_FILE
    carried = _carried(environment)
    for member, path in _tree(environment.path, ""):
        if member.name == str(base):
            yield _with_content(member, _base_text(environment, carried))
        elif member.name.startswith("bin/") and (text := _moved_script(environment, path)):
            yield _with_content(member, text)
        else:
            yield member, path if member.isreg() else None
    for folder, name in carried.items():
        for member, path in _tree(folder, name):
            if member.name != f"{name}/{BASE_FILE}":  # what it sees is in the list itself
                yield member, path if member.isreg() else None


def _tree(top: Path, name: str) -> Iterator[tuple[tarfile.TarInfo, Path]]:
    if name:
        member = tarfile.TarInfo(name)
        member.type, member.mode = tarfile.DIRTYPE, 0o755
        yield member, top
    with os.scandir(top) as found:
        entries = sorted(found, key=lambda entry: entry.name)
    for entry in entries:
        inside = f"{name}/{entry.name}" if name else entry.name
        path = Path(entry.path)
        if not name and entry.name in _LEFT_OUT:
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _tree(path, inside)
        elif (found_there := _member(path, inside)) is not None:
            yield found_there, path


def _member(path: Path, name: str) -> tarfile.TarInfo | None:
    """Each file by itself, also where uv made hard links of it. None: a socket or the like."""
    found = path.lstat()
    member = tarfile.TarInfo(name)
    member.mode, member.mtime = found.st_mode & 0o777, int(found.st_mtime)
    if path.is_symlink():
        member.type, member.linkname = tarfile.SYMTYPE, str(path.readlink())
    elif path.is_file():
        member.size = found.st_size
    else:
        return None
    return member


def _with_content(member: tarfile.TarInfo, text: bytes) -> tuple[tarfile.TarInfo, bytes]:
    member.size = len(text)
    return member, text


def _carried(environment: Environment) -> dict[Path, str]:
    """The folders below the layer that go along, and their names in the pack: those of virtual
    environments. A Python's own packages stay with it."""
    python = (environment.bin_dir / "python").resolve()
    prefix = python.parent.parent
    return {
        folder: f"{_BASES}/{number}"
        for number, folder in enumerate(base_directories(environment))
        if not folder.resolve().is_relative_to(prefix) or _is_in_environment(folder)
        if folder.is_dir()
    }


def _is_in_environment(folder: Path) -> bool:
    """lib/python3.11/site-packages of a virtual environment."""
    return any((above / "pyvenv.cfg").exists() for above in folder.parents[:3])


def _base_text(environment: Environment, carried: dict[Path, str]) -> bytes:
    lines = [
        f'import os, site, sys; site.addsitedir(os.path.join(sys.prefix, "{carried[folder]}"))'
        if folder in carried
        else f"import site; site.addsitedir({str(folder)!r})"
        for folder in base_directories(environment)
    ]
    return ("\n".join(lines) + "\n").encode()


def _moved_script(environment: Environment, path: Path) -> bytes:
    """The script with first lines that find its Python where it lies; b"" if it names none."""
    if path.is_symlink() or not path.is_file() or path.stat().st_size > _MOST_SCRIPT_BYTES:
        return b""
    text = path.read_bytes()
    own = re.escape(os.fsencode(environment.bin_dir)) + rb"/python[\d.]*"
    direct = re.match(rb"#!\s*" + own + rb"[^\n]*\n", text)
    by_shell = re.match(rb"#!/bin/sh\n'''exec' \"?" + own + rb"\"? \"\$0\" \"\$@\"\n' '''\n", text)
    found = direct or by_shell
    return _FIND_PYTHON + text[found.end() :] if found else b""
