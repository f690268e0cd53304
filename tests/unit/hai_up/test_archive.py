"""The file of a backup: whole, private, and believed only if its checksums are right."""

import gzip
import json
import stat
import zipfile
from pathlib import Path
from typing import Any

import pytest

from hai.errors import Conflict, InvalidInput, PlatformError
from hai.store.transfer.format import Header
from hai_up.backup.archive import Contents, default_name, opened, scratch_beside, write_archive

HEADER = Header("1.2.3+gabc", 8, [[8, "x", "0"]], 1_800_000_000.5)
CONTENTS = Contents("local", "/var/lib/hai", {"override.toml": "[server]\n"}, {"key": "planted"})


@pytest.fixture
def written(tmp_path: Path) -> Path:
    dump = tmp_path / "dump"
    dump.write_bytes(gzip.compress(b"rows"))
    write_archive(tmp_path / "kept.zip", HEADER, dump, CONTENTS)
    dump.unlink()
    return tmp_path / "kept.zip"


def rewritten(file: Path, **members: Any) -> Path:
    """A copy with other members; None: without it."""
    copy = file.with_name("other.zip")
    with zipfile.ZipFile(file) as old, zipfile.ZipFile(copy, "w") as new:
        for name in {*old.namelist(), *members}:
            data = members.get(name, old.read(name) if name in old.namelist() else None)
            if data is not None:
                new.writestr(name, data)
    return copy


def test_what_is_in_it(written: Path) -> None:
    assert stat.S_IMODE(written.stat().st_mode) == 0o600
    assert [path.name for path in written.parent.iterdir()] == ["kept.zip"]
    with opened(written) as archive:
        known = archive.manifest
        assert (known.version, known.schema, known.provider) == ("1.2.3+gabc", 8, "local")
        assert known.date == "2027-01-15T08:00:00Z"
        assert archive.config("override.toml") == "[server]\n"
        assert archive.config("nothing") is None
        assert archive.secrets() == {"key": "planted"}
        with archive.database() as stream:
            assert gzip.decompress(stream.read()) == b"rows"
    assert default_name(HEADER) == "hai-backup-20270115-080000.zip"
    assert b"planted" not in zipfile.ZipFile(written).read("manifest.json")


def test_no_file_is_overwritten_and_none_is_half(written: Path, tmp_path: Path) -> None:
    before = written.read_bytes()
    dump = tmp_path / "dump"
    dump.write_bytes(b"x")
    with pytest.raises(Conflict, match="exists already"):
        write_archive(written, HEADER, dump, CONTENTS)
    assert written.read_bytes() == before
    with pytest.raises(PlatformError, match="cannot write"):
        write_archive(tmp_path / "nowhere" / "kept.zip", HEADER, dump, CONTENTS)
    assert {path.name for path in tmp_path.iterdir()} == {"kept.zip", "dump"}


def manifest_of(file: Path, **change: object) -> str:
    with zipfile.ZipFile(file) as archive:
        return json.dumps(json.loads(archive.read("manifest.json")) | change)


def test_what_is_not_believed(written: Path) -> None:
    bad: dict[str, dict[str, Any]] = {
        "database.gz was changed": {"database.gz": b"other"},
        "secrets.json was changed": {"secrets.json": b"{}"},
        "does not hold what it says": {"config/more": b""},
        "has format 2": {"manifest.json": manifest_of(written, format=2)},
        "no backup of HAI": {"manifest.json": manifest_of(written, kind="other")},
    }
    for why, members in bad.items():
        with pytest.raises(InvalidInput, match=why), opened(rewritten(written, **members)):
            pass
    with (
        pytest.raises(InvalidInput, match="does not hold"),
        opened(rewritten(written, **{"database.gz": None})),
    ):
        pass


def test_every_byte_counts(written: Path) -> None:
    """Whatever byte of a member is changed, or wherever the file ends: it is told."""
    whole = written.read_bytes()
    torn = written.with_name("torn.zip")
    with zipfile.ZipFile(written) as archive:
        members = archive.infolist()
    spoilt = [whole[:size] for size in range(0, len(whole), 97)]
    for member in members:
        at = member.header_offset + 30 + len(member.filename) + 2
        spoilt.append(whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :])
    for data in spoilt:
        torn.write_bytes(data)
        with pytest.raises(InvalidInput), opened(torn):
            pass


def test_scratch_is_private_and_goes(tmp_path: Path) -> None:
    with scratch_beside(tmp_path / "kept.zip") as folder:
        (folder / "dump").write_text("secret")
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert list(tmp_path.iterdir()) == []
