"""Packs of environments, small and made by hand, and what a task records of them."""

import hashlib
import io
import os
import sys
import tarfile
from pathlib import Path
from typing import Any

from hai.agent.packs import ENTRY_BYTES
from hai.agent.recorded import RecordedEnvironment
from haienv.gzips import GzipMembers


def record_of(pack: Path, place: Path, size: int, **changes: Any) -> dict[str, Any]:
    digest = hashlib.sha256(pack.read_bytes()).hexdigest()
    recorded = {
        "name": place.name,
        "owner": "ann",
        "identity": pack.name.partition(".")[0],
        "follow": False,
        "pack": str(pack),
        "digest": digest,
        "bytes": size,
        "state": "0" * 64,
        "sites": [],
    }
    return {"py_venv": str(place), "environment": {**recorded, **changes}}


def make_pack(
    folder: Path, identity: str, kib: int = 64, python: str = sys.executable
) -> RecordedEnvironment:
    """Of an environment of so many KiB, in a file and a link to it."""
    pack = folder / f"{identity}.tar.gz"
    with pack.open("wb") as file:
        members = GzipMembers(file)
        with tarfile.open(fileobj=members, mode="w|") as tar:
            for name, content in (
                ("lib/big", os.urandom(1024) * kib),
                ("bin/tool", b"#!/bin/sh\n"),
            ):
                member = tarfile.TarInfo(name)
                member.size, member.mode = len(content), 0o755
                tar.addfile(member, io.BytesIO(content))
            link = tarfile.TarInfo("bin/python")
            link.type, link.linkname = tarfile.SYMTYPE, python
            tar.addfile(link)
        members.close()
    assert members.digest.hexdigest() == hashlib.sha256(pack.read_bytes()).hexdigest()
    return RecordedEnvironment(record_of(pack, folder / "env", 1024 * kib + 10 + 5 * ENTRY_BYTES))


PROGRAM = """\
import os, sys
place = os.environ["VIRTUAL_ENV"]
print(place, os.path.getsize(place + "/lib/big"))
print(os.listdir(sys.argv[1]), oct(os.stat(place).st_mode & 0o777), os.stat(place).st_uid)
"""


def options_for(folder: Path, python: str) -> tuple[dict[str, Any], str]:
    """`options` of a task whose environment is in a pack in `folder` alone, for any account; and
    the name of its copy."""
    made = make_pack(folder, "aaaaaaaaaaaa", python=python)
    Path(made.pack).chmod(0o644)
    return record_of(Path(made.pack), folder / "gone", made.size), made.folder_name
