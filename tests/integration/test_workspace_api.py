"""Workspaces behind the API, asked by clients that mean no good: hostile ones and strangers."""

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from hai.workspace.packs import packed
from tests.served import Served, served

ANN, BOB, EVE = 64_321, 64_322, 64_323  # accounts that exist nowhere
LIMIT_MIB = 4


@pytest.fixture(scope="module")
def platform() -> Iterator[Served]:
    """In a folder that other accounts may pass through."""
    is_root = os.geteuid() == 0
    with tempfile.TemporaryDirectory(prefix="hai-test-") as folder:
        Path(folder).chmod(0o711)
        users = {"ann": ANN if is_root else None, "bob": BOB if is_root else None}
        users["eve"] = EVE if is_root else None
        limits = {"HAI_WORKSPACE__USER_BYTES": str(LIMIT_MIB << 20)}
        with served(Path(folder) / "platform", users, **limits) as made:
            yield made


@pytest.fixture
def ann(platform: Served, request: pytest.FixtureRequest) -> Iterator["Twin"]:
    with platform.client("ann") as client:
        name = hashlib.sha256(request.node.name.encode()).hexdigest()[:20]
        twin = Twin(client, platform.home("ann"), name)
        yield twin
        client.delete(twin.url)


class Twin:
    """One workspace, by plain requests."""

    def __init__(self, client: httpx2.Client, home: Path, name: str) -> None:
        self.client = client
        self.url = f"/workspaces/{name}"
        self.folder = home / name

    def put(self, *chunks: bytes) -> list[str]:
        body = b"".join(packed(hashlib.sha256(one).digest(), one) for one in chunks)
        reply = self.client.put(f"{self.url}/chunks", content=body)
        assert reply.status_code == 200, reply.text
        return [hashlib.sha256(one).hexdigest() for one in chunks]

    def apply(self, *files: list[Any], **changes: Any) -> httpx2.Response:
        document = {"removed": {}, "directories": {}, "modes": {}, "clear": False, "origin": ""}
        document |= {"mode": 0o755, "files": list(files), **changes}
        names = self.put(json.dumps(document).encode())
        return self.client.post(f"{self.url}/apply", json={"digests": names})

    def file(self, path: str, content: bytes = b"text", *, link: str | None = None) -> list[Any]:
        if link is not None:
            return [path, 0, 0, 0, [], [], None, link]
        return [path, 0o644, 10**18, len(content), self.put(content), [], None, None]


def test_a_file_is_whole_and_of_its_user(ann: Twin) -> None:
    reply = ann.apply(ann.file("a/b.sh"), directories={"a": 0o750})
    assert reply.status_code == 200, reply.text
    found = ann.folder / "a" / "b.sh"
    assert found.read_text() == "text"
    assert (found.stat().st_mode & 0o777, found.parent.stat().st_mode & 0o777) == (0o644, 0o750)
    if os.geteuid() == 0:
        assert {one.stat().st_uid for one in (found, found.parent, ann.folder)} == {ANN}
        assert (ann.folder / "a" / "b.sh").stat().st_gid == ANN


@pytest.mark.parametrize(
    "path",
    ["../x", "a/../../x", "/etc/x", "", ".", "a//b", "a/", "./a", ".hai/origin.json", ".hai",
     ".hfai/x", "a\0b", "n" * 256, "d/" * 2000 + "x"],
)  # fmt: skip
def test_a_path_that_leads_out_is_refused(ann: Twin, path: str) -> None:
    ann.apply(ann.file("there"))
    before = _everything(ann.folder.parents[2])
    good = ann.file("good")
    for reply in (
        ann.apply(good, ann.file("x") and [path, *ann.file("x")[1:]]),
        ann.apply(good, removed={path: None}),
        ann.apply(good, modes={path: 0o777}),
        ann.apply(good, directories={path: 0o777}),
    ):
        assert reply.status_code == 403, reply.text
    assert _everything(ann.folder.parents[2]) == before


def _everything(root: Path) -> set[str]:
    """All names but those of chunks."""
    return {str(path) for path in root.rglob("*") if "incoming" not in path.parts}


def test_a_link_is_no_way_out(ann: Twin, tmp_path: Path) -> None:
    outside = Path(tempfile.mkdtemp(prefix="hai-test-"))
    try:
        outside.chmod(0o777)
        assert ann.apply(ann.file("out", link=str(outside))).status_code == 200
        assert (ann.folder / "out").readlink() == outside, "a link itself is kept as it is"
        through = [
            ann.apply(ann.file("out/x")),
            ann.apply(ann.file("new", link=str(outside)), ann.file("new/x")),
            ann.apply(modes={"out": 0o700}),
        ]
        statuses = [reply.status_code for reply in through]
        assert statuses == [409, 403, 200], "the last one is done: to the link, which has no mode"
        (outside / "secret").write_text("secret")
        for path in ("out/secret", "out/none", "none/none", "none"):
            reply = ann.client.post(f"{ann.url}/read", json={"pieces": [piece(path)]})
            assert reply.status_code == 409, reply.text
            assert "no file any more" in reply.json()["message"]
        assert ann.client.post(f"{ann.url}/digests", json={"paths": ["out/secret"]}).json() == {
            "digests": {}
        }
        assert sorted(one.name for one in outside.iterdir()) == ["secret"]
        assert outside.stat().st_mode & 0o777 == 0o777
    finally:
        for one in outside.iterdir():
            one.unlink()
        outside.rmdir()


def test_what_makes_no_sense_changes_nothing(ann: Twin) -> None:
    assert ann.apply(ann.file("a", b"one")).status_code == 200
    new, row = ann.file("new", b"two"), ann.file("a", b"two")
    wrong: list[tuple[list[Any], int, str]] = [
        ([*new[:3], 99, *new[4:]], 409, "not as long as the file"),
        ([new[0], 0o4755, *new[2:]], 422, "permissions are nine bits"),
        ([*new[:4], ["f" * 64], *new[5:]], 409, "a chunk is not there"),
        ([*new[:4], ["../../x"], *new[5:]], 422, "a digest has 64 hexadecimal digits"),
        ([*new[:5], [[0, 1]], *new[6:]], 422, "what is kept of 'new' makes no sense"),
        ([*row[:6], [1, 2, 3, 4], None], 409, "a changed there in this moment"),
        (new[:4], 422, "not enough values"),
    ]
    for one, status, words in wrong:
        reply = ann.apply(one)
        assert (reply.status_code, words in reply.text) == (status, True), (one, reply.text)
        assert (ann.folder / "a").read_bytes() == b"one"
        assert not (ann.folder / "new").exists()
    assert ann.apply(row, row).status_code == 422
    assert ann.apply(row).status_code == 409, "the file there is not known to this push"


def test_chunks_are_what_they_say_and_have_bounds(ann: Twin) -> None:
    url = f"{ann.url}/chunks"
    lie = packed(hashlib.sha256(b"other").digest(), b"text")
    bomb = packed(hashlib.sha256(bytes(2 << 20)).digest(), bytes(2 << 20))
    assert len(bomb) < 20_000
    for body, status in (
        (lie, 422),
        (bomb, 422),
        (b"x", 422),
        (lie[:-1], 422),
        (b"x" * (5 << 20), 413),
    ):
        reply = ann.client.put(url, content=body)
        assert reply.status_code == status, reply.text
    names = {"digests": ["0" * 64] * 20_001}
    reply = ann.client.post(f"{ann.url}/missing", json=names)
    assert reply.status_code == 413, reply.text


def test_a_user_has_so_much_room(ann: Twin) -> None:
    chunks = [bytes([number]) * 1000 + os.urandom((1 << 20) - 1000) for number in range(3)]
    for chunk in chunks:
        ann.put(chunk)
    body = b"".join(packed(hashlib.sha256(one).digest(), one) for one in chunks[:2])
    reply = ann.client.put(f"{ann.url}/chunks", content=body)
    assert (reply.status_code, reply.json()["code"]) == (403, "over_quota")
    assert "MiB" in reply.json()["message"]
    ann.client.delete(ann.url)
    assert ann.apply(ann.file("a")).status_code == 200, "what was removed makes room"


def piece(path: str) -> dict[str, Any]:
    return {"path": path, "offset": 0, "length": 6}


def test_two_users_do_not_meet(platform: Served, ann: Twin) -> None:
    assert ann.apply(ann.file("secret", b"ann's")).status_code == 200
    with platform.client("bob") as bob:
        assert bob.get(ann.url).json()["exists"] is False
        for verb, path, body in (
            ("GET", "tree", None),
            ("POST", "digests", {"paths": ["secret"]}),
            ("POST", "read", {"pieces": [piece("secret")]}),
            ("POST", "read", {"pieces": [piece(f"../../ann/workspaces/{ann.folder.name}/secret")]}),
        ):
            reply = bob.request(verb, f"{ann.url}/{path}", json=body)
            assert reply.status_code == 404, reply.text
        assert bob.delete(ann.url).status_code == 404
        assert bob.get("/workspaces").json() == {"workspaces": []}
        assert bob.get("/workspaces/..%2F..%2Fann").status_code == 404
    assert (ann.folder / "secret").read_bytes() == b"ann's"
    if os.geteuid() == 0:
        assert ann.folder.parents[1].stat().st_mode & 0o077 == 0
        assert ann.folder.parents[1].stat().st_uid == ANN


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
def test_the_kernel_decides_what_is_read(platform: Served, ann: Twin) -> None:
    """The file of somebody else in one's own folder stays closed: nobody reads it as root."""
    assert ann.apply(ann.file("own")).status_code == 200
    foreign = ann.folder / "foreign"
    foreign.write_text("root's")
    foreign.chmod(0o600)
    reply = ann.client.post(f"{ann.url}/read", json={"pieces": [piece("foreign")]})
    assert (reply.status_code, reply.json()["code"]) == (403, "denied")
    (ann.folder / "closed").mkdir(mode=0o755)
    reply = ann.apply(ann.file("closed/x"))
    assert reply.status_code == 403, reply.text
    assert list((ann.folder / "closed").iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_folder_of_somebody_else_is_not_used(platform: Served) -> None:
    home = platform.folder / "workspace" / "eve"
    home.mkdir(parents=True)
    with platform.client("eve") as eve:
        reply = eve.get("/workspaces/x")
        assert (reply.status_code, reply.json()["code"]) == (403, "denied")
        assert "it belongs to uid 0" in reply.json()["message"]
        os.chown(home, EVE, EVE)
        assert eve.get("/workspaces/x").status_code == 200
