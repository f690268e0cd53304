"""Copies: what is packed comes out again, and nothing hostile leaves its target."""

import io
import os
import stat
import tarfile
from pathlib import Path

import pytest

from hai.agent.channel.archive import Unpacker, Unsafe, leads_out, packed


def tar_of(*entries: tuple[str, str, str]) -> bytes:
    """(name, kind, content or goal)."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, kind, text in entries:
            info = tarfile.TarInfo(name)
            info.mode = 0o755
            if kind == "file":
                info.size = len(text)
                archive.addfile(info, io.BytesIO(text.encode()))
                continue
            kinds = {
                "dir": tarfile.DIRTYPE,
                "link": tarfile.SYMTYPE,
                "hard": tarfile.LNKTYPE,
                "device": tarfile.CHRTYPE,
            }
            info.type, info.linkname = kinds[kind], text
            archive.addfile(info)
    return out.getvalue()


def unpack(data: bytes, target: Path, piece: int = 1000) -> Unpacker:
    unpacker = Unpacker(str(target))
    for start in range(0, len(data), piece):
        unpacker.feed(data[start : start + piece])
    unpacker.close()
    return unpacker


@pytest.mark.parametrize("piece", [1, 511, 512, 70_000])
def test_a_tree_comes_out_as_it_went_in(tmp_path: Path, piece: int) -> None:
    source = tmp_path / "source"
    (source / "a" / "b").mkdir(parents=True)
    (source / "a" / "b" / "data").write_bytes(os.urandom(1500))
    (source / "a" / ("n" * 200)).write_text("long")
    (source / "exact").write_bytes(b"x" * 512)
    (source / "none").touch()
    (source / "none").chmod(0o640)
    (source / "a").chmod(0o550)
    (source / "link").symlink_to("a/b")
    os.mkfifo(source / "pipe")
    done = unpack(b"".join(packed(str(source))), tmp_path / "target", piece)
    (source / "pipe").unlink()
    assert done.files == 4
    assert tree(tmp_path / "target") == tree(source)


def tree(root: Path) -> dict[str, object]:
    found: dict[str, object] = {}
    for path in sorted(root.rglob("*")):
        name = str(path.relative_to(root))
        if path.is_symlink():
            found[name] = path.readlink()
        else:
            content = path.read_bytes() if path.is_file() else b""
            found[name] = (stat.S_IMODE(path.stat().st_mode), int(path.stat().st_mtime), content)
    return found


@pytest.mark.parametrize(
    "name", ["../out", "a/../../out", "/out", "..", "", "a//b", "./../out", "a/."]
)
def test_no_name_leaves_the_target(tmp_path: Path, name: str) -> None:
    data = tar_of((".", "dir", ""), (name, "file", "evil"))
    with pytest.raises((Unsafe, OSError)):
        unpack(data, tmp_path / "target")
    assert [path.name for path in tmp_path.rglob("*")] == ["target"]


def test_nothing_is_written_through_a_link(tmp_path: Path) -> None:
    """Neither one of the copy (links are made last) nor one that was there before."""
    outside = tmp_path / "outside"
    outside.mkdir()
    own = tar_of(
        (".", "dir", ""), ("a", "link", "../outside"), ("a/evil", "file", "x"), ("b", "dir", "")
    )
    with pytest.raises(OSError, match="No such file"):
        unpack(own, tmp_path / "target")
    (tmp_path / "target" / "a").symlink_to(outside)
    with pytest.raises(OSError, match="Not a directory"):
        unpack(own, tmp_path / "target")
    (tmp_path / "target" / "file").symlink_to(outside / "made")
    with pytest.raises(OSError, match="Too many levels"):
        unpack(tar_of((".", "dir", ""), ("file", "file", "x")), tmp_path / "target")
    assert list(outside.iterdir()) == []


def test_links_that_lead_out_are_left_out(tmp_path: Path) -> None:
    done = unpack(
        tar_of(
            (".", "dir", ""),
            ("a", "dir", ""),
            ("a/up", "link", "../b"),
            ("a/out", "link", "../../b"),
            ("absolute", "link", "/etc/passwd"),
        ),
        tmp_path / "target",
    )
    assert [one.split()[0] for one in done.skipped] == ["a/out", "absolute"]
    assert (tmp_path / "target" / "a" / "up").readlink() == Path("../b")
    assert leads_out("a/b", "c/../../../d")


@pytest.mark.parametrize("kind", ["hard", "device"])
def test_other_kinds_are_refused(tmp_path: Path, kind: str) -> None:
    with pytest.raises(Unsafe, match="neither file, folder nor link"):
        unpack(tar_of((".", "dir", ""), ("x", kind, "y")), tmp_path / "target")


def test_set_uid_bits_do_not_come_along(tmp_path: Path) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        info = tarfile.TarInfo(".")
        info.mode, info.size = 0o6755, 1
        archive.addfile(info, io.BytesIO(b"x"))
    unpack(out.getvalue(), tmp_path / "program")
    assert stat.S_IMODE((tmp_path / "program").stat().st_mode) == 0o755


def test_half_a_copy_is_told(tmp_path: Path) -> None:
    data = tar_of((".", "file", "x" * 5000))
    with pytest.raises(ValueError, match="not whole"):
        unpack(data[:3000], tmp_path / "target")


@pytest.mark.parametrize("data", [b"\xff" * 1024, b"GET / HTTP/1.1\r\n" * 64])
def test_what_is_no_tar_is_refused(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(Unsafe):
        unpack(data, tmp_path / "target")


def test_a_file_that_shrinks_meanwhile_keeps_its_place(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"x" * 200_000)
    pieces = packed(str(source))
    data = next(pieces)
    source.write_bytes(b"")
    data += b"".join(pieces)
    unpack(data, tmp_path / "target")
    assert (tmp_path / "target").stat().st_size == 200_000
