"""The other side of a workspace: one protocol; behind it a folder, SFTP, or the platform's API."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Any, Protocol

from hai.errors import Denied
from haiworkspace.ignore import Rules
from haiworkspace.listing import KnownDigests, Tree
from haiworkspace.plan import FileEntry
from haiworkspace.records import Workspace
from haiworkspace.remotes.push import Push


class Remote(Protocol):
    """A tree of files that push writes and pull reads.

    Paths are relative to its root, with '/' between names; none of them leads out of it, and no
    link in it is followed. Raises Denied, Conflict, Unreachable, OSError.
    """

    @property
    def folder(self) -> str:
        """Its absolute path on the machine that has it."""

    def exists(self) -> bool:
        """Whether there is anything: a remote that was never pushed is none."""

    def locked(self, mode: int) -> AbstractContextManager[None]:
        """The only right to transfer; the root is made if need be, with `mode`."""

    @property
    def reads_what_it_sends(self) -> bool:
        """Whether `change` tells the digests of what it sends: nobody needs to read it before."""

    @property
    def by_chunks(self) -> bool:
        """Whether digests of long files are those by chunks (hai.workspace.digests)."""

    def tree(self, rules: Rules, digests: KnownDigests | None) -> Tree:
        """Its files and links; without `digests` contents are not read."""

    def change(self, push: Push) -> Tree | None:
        """Does what the plan says: removes, copies from `local` (each file in one step, with
        permissions and times), gives directories their modes, writes the origin. What is there
        now, where that is known."""

    def fetch(self, local: Path, paths: Iterable[str], *, clear: bool) -> None:
        """Copies `paths` from here to `local` in the same way."""

    def remove(self, paths: Iterable[str]) -> None:
        """Removes files and the directories that become empty; a missing one is no error."""

    def write_origin(self, origin: str) -> None:
        """Says there which workspace it is (records.origin_text)."""

    def read_origin(self) -> dict[str, Any] | None:
        """What `write_origin` wrote; None if it is no workspace. PermissionError where it is
        closed to us: whose it is cannot be known then."""

    def snapshot(self, entries: Mapping[str, FileEntry]) -> tuple[str, str] | None:
        """Makes a snapshot of these files, which a push has put there: its id and folder. Old ones
        are collected. None where there can be none."""

    def snapshot_entries(self, snapshot: str) -> dict[str, FileEntry]:
        """The files of a snapshot, as they were pushed. NotFound."""

    def in_snapshot(self, snapshot: str) -> "Remote":
        """The folder of a snapshot with what tasks wrote there; it is only read."""

    def destroy(self) -> None:
        """Removes it as a whole."""


@contextmanager
def opened(workspace: Workspace) -> Iterator[Remote]:
    """The other side of `workspace`, until the end of the context. Raises Unreachable; Denied, also
    for what a file system keeps closed meanwhile, here or there."""
    try:
        with _opened(workspace) as remote:
            yield remote
    except PermissionError as error:
        raise Denied(
            f"{error.filename or workspace.place} is closed to you: {error.strerror}",
            hint="ask its owner to open it, or give a folder of your own: "
            "haiworkspace init NAME --remote DIR",
        ) from error


@contextmanager
def _opened(workspace: Workspace) -> Iterator[Remote]:
    if not workspace.via:
        from haiworkspace.remotes.folder import FolderRemote

        yield FolderRemote(workspace.remote)
        return
    if workspace.is_by_api:
        from haiworkspace.remotes.api import ApiRemote, client_for

        with client_for(workspace.via) as platform:
            yield ApiRemote(platform, workspace.name)
        return
    from haiworkspace.remotes.sftp import SftpRemote
    from haiworkspace.remotes.ssh import connect, parse_address, watched

    parse_address(workspace.via)  # what is no address is told first, whatever is installed
    with watched(workspace.via), closing(connect(workspace.via)) as client:
        yield SftpRemote(client, workspace.remote.as_posix())
