"""Two accounts, each with workspaces: neither reads nor writes what the other keeps closed, by a
mounted folder or behind ssh. (Behind the API: test_workspace_api.)"""

import os
import pwd
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.workspaces import run_program
from tests.sshd import SSHD, Sshd, sshd

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be two other users")

ANN, BOB = "daemon", "bin"  # accounts that every Linux has
SECRET = "ann's own words"  # noqa: S105 (a file's content)
# Loads all of it before it becomes the user, who may have no way to where it is installed.
PROGRAM = """
import os, sys, encodings.idna, importlib.metadata, httpx2, yaml
import hai.client.http, haiworkspace.remotes.folder, haiworkspace.remotes.api
from haiworkspace.cli import main
uid, gid = int(sys.argv.pop(1)), int(sys.argv.pop(1))
os.umask(0o022)
os.setgroups([])
os.setresgid(gid, gid, gid)
os.setresuid(uid, uid, uid)
main()
"""
# The words of every file and link below a folder that somebody can read, and the names.
LOOK = """
import os, sys
uid = int(sys.argv[1])
os.setgroups([])
os.setresgid(uid, uid, uid)
os.setresuid(uid, uid, uid)
for above, folders, files in os.walk(sys.argv[2]):
    for name in files:
        print(name)
        try:
            print(open(os.path.join(above, name), errors="replace").read())
        except OSError:
            pass
"""


class Person:
    """An account with a project here, and its own folder on the shared file system."""

    def __init__(self, name: str, folder: Path, server: Sshd | None) -> None:
        self.account = pwd.getpwnam(name)
        self.server = server
        self.local = folder / "home" / name / "digits"
        self.shared = folder / "shared" / name
        for path in (self.local, self.shared):
            path.mkdir(parents=True)
        # Over ssh it is the account there that counts.
        owner = os.geteuid() if server else self.account.pw_uid
        for path in (self.local, self.local.parent):
            os.chown(path, owner, -1)
        os.chown(self.shared, self.account.pw_uid, self.account.pw_gid)

    @property
    def remote(self) -> Path:
        return self.shared / "workspaces" / "digits"

    def run(self, *args: str) -> subprocess.CompletedProcess[str]:
        ids = [0, 0] if self.server else [self.account.pw_uid, self.account.pw_gid]
        home = self.server.home if self.server else self.local.parent
        variables = {
            "HOME": str(home),
            "HAI_CONF": str(self.local.parent / "none.yaml"),
            "LOGNAME": self.account.pw_name,
            "HAI_WORKSPACE_ROOT": str(self.shared.parent),
        }
        return run_program(PROGRAM, [*map(str, ids), *args], self.local, variables)

    def done(self, *args: str) -> str:
        done = self.run(*args)
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    def refused(self, *args: str, codes: tuple[int, ...] = (5,)) -> str:
        """It says what, why and what next, and nothing of what is closed."""
        done = self.run(*args)
        said = done.stdout + done.stderr
        assert done.returncode in codes, (args, done.returncode, said)
        assert "hint: " in done.stderr, (args, said)
        assert "Traceback" not in said
        assert SECRET not in said
        return said

    def init(self, remote: Path | str) -> None:
        self.done(*self.words_of_init(remote))

    def words_of_init(self, remote: Path | str) -> list[str]:
        via = ["--via", f"ssh://{self.account.pw_name}@{self.server.name}"] if self.server else []
        return ["init", "digits", "--remote", str(remote), *via]

    def write(self, **texts: str) -> None:
        for name, text in texts.items():
            (self.local / name).write_text(text)
            os.chown(self.local / name, self.local.stat().st_uid, -1)

    def sees(self, folder: Path) -> str:
        """All names and words below `folder`, as far as this account can read them."""
        words = [sys.executable, "-c", LOOK, str(self.account.pw_uid), str(folder)]
        return subprocess.run(words, check=True, capture_output=True, text=True).stdout


@pytest.fixture(params=["dir", "sftp"])
def people(request: pytest.FixtureRequest, public_dir: Path) -> Iterator[tuple[Person, Person]]:
    if request.param == "dir":
        yield Person(ANN, public_dir, None), Person(BOB, public_dir, None)
        return
    if SSHD is None:
        pytest.skip("there is no sshd")
    with sshd(public_dir, sftp_only=True) as server:  # these accounts have no shell
        (server.home / ".ssh").chmod(0o711)
        (server.home / ".ssh" / "authorized_keys").chmod(0o644)
        yield Person(ANN, public_dir, server), Person(BOB, public_dir, server)


def state(folder: Path) -> dict[str, tuple[object, ...]]:
    """Of everything below: kind and permissions, owner, time, content."""
    found: dict[str, tuple[object, ...]] = {}
    for path in [folder, *sorted(folder.rglob("*"))]:
        one = path.lstat()
        text = path.read_bytes() if stat.S_ISREG(one.st_mode) else b""
        found[str(path)] = (one.st_mode, one.st_uid, one.st_mtime_ns, text)
    return found


def pushed_secret(person: Person) -> dict[str, tuple[object, ...]]:
    """A closed workspace with a secret, pushed; what lies there then."""
    person.local.chmod(0o700)
    person.write(secret=SECRET)
    person.init(person.remote)
    person.done("push")
    return state(person.shared)


@pytest.mark.parametrize("way", ["by path", "by a link"])
def test_a_closed_workspace_stays_closed(people: tuple[Person, Person], way: str) -> None:
    ann, bob = people
    before = pushed_secret(ann)
    remote = ann.remote
    if way == "by a link":
        remote = bob.shared / "link"
        remote.symlink_to(ann.remote)
    bob.write(own="bob's")
    bob.refused(*bob.words_of_init(remote))
    assert not (bob.local / ".hai" / "workspace.yml").exists(), "what is refused changes nothing"
    _init_anyhow(bob, remote)
    for words in (["push"], ["push", "--force", "--delete"], ["push", "--dry-run"], ["pull"],
                  ["pull", "--force"], ["diff"], ["remove", "digits", "--yes"]):  # fmt: skip
        bob.refused(*words)
    assert SECRET not in bob.done("list") if bob.server is None else True
    assert state(ann.shared) == before
    assert (bob.local / "own").read_text() == "bob's"
    assert SECRET not in bob.sees(ann.shared.parent)


def _init_anyhow(person: Person, remote: Path) -> None:
    """As somebody does who writes the file by hand."""
    person.init(person.remote)
    path = person.local / ".hai" / "workspace.yml"
    path.write_text(path.read_text().replace(f"remote: {person.remote}", f"remote: {remote}"))
    assert str(remote) in path.read_text()


def test_an_equal_name_is_another_workspace(people: tuple[Person, Person]) -> None:
    ann, bob = people
    ann.write(secret=SECRET)
    for one in people:
        one.init(one.remote)
    ann.done("push")
    before = state(ann.shared)
    assert "does not exist" in bob.refused("pull", codes=(3,))
    bob.write(own="bob's")
    bob.done("push")
    bob.done("push", "--force", "--delete")
    bob.done("remove", "digits", "--yes")
    for name in ("../../daemon/workspaces/digits", "/etc", ".."):
        bob.refused("init", name, codes=(2,))
        bob.refused("remove", name, "--yes", codes=(2,))
    bob.refused("remove", "digits", "-f", f"../../../{ANN}/workspaces/digits/secret", codes=(2, 3))
    assert state(ann.shared) == before


def test_links_in_ones_own_lead_nowhere(people: tuple[Person, Person]) -> None:
    """Whoever has a link to another's folder sends and fetches the link, and not what is there."""
    ann, bob = people
    before = pushed_secret(ann)
    (bob.local / "theirs").symlink_to(ann.remote)
    bob.init(bob.remote)
    bob.done("push")
    assert (bob.remote / "theirs").readlink() == ann.remote
    bob.done("pull", "--force")
    assert (bob.local / "theirs").readlink() == ann.remote
    (bob.local / "theirs").unlink()
    (bob.local / "theirs").mkdir()
    bob.write(**{"theirs/secret": "bob's"})
    bob.done("push")
    (bob.remote / "theirs" / "secret").unlink()
    (bob.remote / "theirs").rmdir()
    (bob.remote / "theirs").symlink_to(ann.remote)
    bob.write(**{"theirs/secret": "bob's second"})
    bob.refused("push", codes=(6,))
    bob.done("push", "--force")
    assert not (bob.remote / "theirs").is_symlink()
    assert (bob.remote / "theirs" / "secret").read_text() == "bob's second"
    assert state(ann.shared) == before


def test_what_is_closed_within_an_open_workspace(people: tuple[Person, Person]) -> None:
    """Ann opens the workspace, and not all in it. Snapshots open nothing more."""
    ann, bob = people
    private = ann.local / "private"
    private.mkdir(mode=0o700)
    os.chown(private, ann.local.stat().st_uid, -1)
    ann.write(**{"open": "for all", "closed": SECRET, "private/notes": SECRET})
    (ann.local / "closed").chmod(0o600)
    ann.init(ann.remote)
    ann.done("push")
    if ann.server is None:
        ann.done("snapshot")
    before = state(ann.shared)
    _init_anyhow(bob, ann.remote)
    bob.write(open="bob's")
    for words in (["push", "--force"], ["pull", "--force"], ["remove", "digits", "--yes"]):
        bob.refused(*words)
    assert state(ann.shared) == before
    found = bob.sees(ann.remote)
    assert "for all" in found
    assert SECRET not in found
    assert "notes" not in found
