"""Packs of environments: how they are unpacked, and what tells that an environment has changed.

A pack is a tar of many gzip members, which any Python can read and a packer can make on all cores.
haienv writes it on the shared file system; everything here only reads.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import tarfile
import zlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, BinaryIO

    from hai.agent.recorded import RecordedEnvironment

ENTRY_BYTES = 4096  # of the disk, that an entry takes beside its content
TROUBLE = (OSError, EOFError, ValueError, zlib.error, tarfile.TarError)
PROMISE = ".promise"  # beside the packs: a task recorded that state, and no pack is made of it yet
_PACK = ".tar.gz"
_READ_BYTES = 1 << 20


def pack_name(identity: str, state: str) -> str:
    """Of the files that belong to a pack, without their ends."""
    return f"{identity}-{state[:16]}"


def promise_of(identity: str, state: str) -> str:
    """The name of the file that says so."""
    return f"{pack_name(identity, state)}{PROMISE}"


def complete(recorded: RecordedEnvironment) -> None:
    """Digest and size of the pack that was made after the task had recorded its environment, from
    the document beside it. One of TROUBLE when there is none of that state."""
    if recorded.digest:
        return
    try:
        with open(recorded.pack[: -len(_PACK)] + ".json", encoding="utf-8") as file:
            found = json.load(file)
        if found["state"] != recorded.state:
            raise ValueError("its pack is of another state")
        recorded.digest, recorded.size = str(found["digest"]), int(found["bytes"])
    except FileNotFoundError:
        raise ValueError(
            "it was changed by something other than haienv, so that no pack of it was made"
        ) from None
    except (KeyError, TypeError) as error:
        raise ValueError("what is known of its pack is damaged") from error


def state_of(place: str, sites: list[str]) -> str:
    """Changes when an environment is made anew or packages come or go in `sites`. OSError."""
    digest = hashlib.sha256()
    for name in ("pyvenv.cfg", "haienv.lock"):
        try:
            with open(os.path.join(place, name), "rb") as file:
                digest.update(file.read())
        except FileNotFoundError:
            digest.update(b"-")
        digest.update(b"\0")
    for site in sites:
        found = sorted(name for name in os.listdir(site) if name.endswith(".dist-info"))
        digest.update("\n".join([*found, ""]).encode("utf-8", "surrogateescape") + b"\0")
    return digest.hexdigest()


def unpack(recorded: RecordedEnvironment, target: str) -> None:
    """Into the new folder `target`. One of TROUBLE when the pack is not what was recorded."""
    os.mkdir(target, 0o700)
    with open(recorded.pack, "rb") as file:
        source = _Digesting(file)
        with gzip.GzipFile(fileobj=source, mode="rb") as plain:  # type: ignore[call-overload,unused-ignore]
            _extract(plain, recorded, target)
            while plain.read(_READ_BYTES):
                pass
        while source.read(_READ_BYTES):
            pass
    if source.digest.hexdigest() != recorded.digest:
        raise ValueError(f"{recorded.pack} is not what the task recorded")


def _extract(plain: Any, recorded: RecordedEnvironment, target: str) -> None:
    left = recorded.size
    with tarfile.open(fileobj=plain, mode="r|", bufsize=_READ_BYTES) as tar:
        if hasattr(tarfile, "fully_trusted_filter"):
            # bin/python links to outside; what may not be is refused below, for every Python
            tar.extraction_filter = tarfile.fully_trusted_filter
        for member in tar:
            left -= member.size + ENTRY_BYTES
            if left < 0:
                raise ValueError(f"{recorded.pack} holds more than the task recorded")
            _check(member)
            member.uid, member.gid, member.uname, member.gname = os.getuid(), os.getgid(), "", ""
            member.mode = member.mode & 0o777 | (0o700 if member.isdir() else 0o400)
            tar.extract(member, target)


def _check(member: tarfile.TarInfo) -> None:
    names = [member.name, member.linkname] if member.islnk() else [member.name]
    is_known = member.isreg() or member.isdir() or member.issym() or member.islnk()
    if not is_known or not all(map(_is_inside, names)):
        raise ValueError(f"{member.name!r} cannot be part of an environment")


def _is_inside(name: str) -> bool:
    return not name.startswith("/") and ".." not in name.split("/")


class _Digesting:
    """A file whose digest is known once all of it has been read."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self.digest.update(data)
        return data
