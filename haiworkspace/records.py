"""The workspace's own files, below .hai/ in the local directory and in the remote one.

.hai/workspace.yml    what and where, written by init; people may edit it
.hai/sync.json        how both sides were when they last agreed; digests that are known
.hai/origin.json      remote only: which workspace this is, and who pushed last
.hai/workspace.lock   held during a transfer
"""

import getpass
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hai import files
from hai.client.profile import normal_url
from hai.errors import Denied, InvalidInput, NotFound, PlatformError
from hai.workspace.listing import Stamp
from haiworkspace.plan import FileEntry

FOLDER = ".hai"
SCHEMA_VERSION = 2
_STAMP_NUMBERS = 4
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,63}")
_OLD_FILE = Path(".hfai") / "workspace.yml"


@dataclass(frozen=True, slots=True)
class Workspace:
    """A local directory and its twin on the shared file system.

    `via`: "" where that is mounted here, ssh://[user@]host[:port] of a machine that has it
    (`remote` may then be relative to the home there), or the URL of the platform, which knows it
    by its name.
    """

    name: str
    local: Path
    remote: Path
    via: str = ""

    @property
    def is_by_api(self) -> bool:
        return self.via.startswith(("http://", "https://"))

    @property
    def place(self) -> str:
        """The remote, for people."""
        if not self.via:
            return str(self.remote)
        if self.is_by_api:
            return f"{self.via}/workspaces/{self.name}"
        return (
            self.via.rstrip("/") + ("" if self.remote.is_absolute() else "/~/") + str(self.remote)
        )


@dataclass(slots=True)
class SyncState:
    """What is remembered from one transfer to the next."""

    base: dict[str, FileEntry] = field(default_factory=dict)
    local_digests: Mapping[str, tuple[Stamp, str]] = field(default_factory=dict)
    remote_digests: Mapping[str, tuple[Stamp, str]] = field(default_factory=dict)
    pushed_at: str | None = None  # RFC 3339
    pulled_at: str | None = None
    directories: Mapping[str, int] = field(default_factory=dict)  # modes when they agreed
    folder: str = ""  # of the remote, on the machine that has it
    # what a push was about to send: if it arrived and nobody came back to say so, it is ours
    pending: dict[str, FileEntry] = field(default_factory=dict)


def default_remote(name: str, variables: Mapping[str, str] = os.environ) -> Path:
    """The workspace `name` among `workspaces_of_user`. Raises InvalidInput if there is no root."""
    return workspaces_of_user(variables) / name


def workspaces_of_user(variables: Mapping[str, str] = os.environ) -> Path:
    """The folder of all of this user's workspaces: $HAI_WORKSPACE_ROOT/<user>/workspaces, else
    below $SHARED_FS_ROOT/hai-platform/workspace/<user>, where the platform keeps a folder for each
    user. Raises InvalidInput if there is no root."""
    user = getpass.getuser()
    root = variables.get("HAI_WORKSPACE_ROOT", "")
    if root.startswith("/"):
        return Path(root) / user / "workspaces"
    shared = variables.get("SHARED_FS_ROOT", "")
    own = Path(shared) / "hai-platform" / "workspace" / user
    if not root and shared.startswith("/") and own.is_dir():
        return own / "workspaces"
    raise InvalidInput(
        "HAI_WORKSPACE_ROOT does not name a folder on the shared file system",
        hint="set it to an absolute path, or give one: haiworkspace init NAME --remote DIR",
    )


def check_name(name: str) -> str:
    """`name`, if a workspace may be called that; InvalidInput otherwise."""
    if not _NAME.fullmatch(name):
        raise InvalidInput(
            f"{name[:80]!r} cannot be the name of a workspace",
            hint="use up to 64 letters, digits, '_' and '-'",
        )
    return name


def check_places(workspace: Workspace) -> None:
    """Raises InvalidInput for a system directory, or for places that contain one another."""
    here = workspace.local.resolve()
    if here in (Path("/"), Path.home().resolve()) or len(here.parts) < 3:
        raise InvalidInput(f"{here} cannot be a workspace", hint="cd into your project first")
    if workspace.via:  # another machine, by other paths
        if ".." in workspace.remote.parts or workspace.remote.as_posix() in ("/", "."):
            raise InvalidInput(
                f"{workspace.remote} cannot be a remote", hint="give a folder of your own there"
            )
        return
    there = workspace.remote.resolve()
    if there == Path("/") or len(there.parts) < 3:
        raise InvalidInput(f"{there} cannot be a remote", hint="give a folder of your own")
    if here.is_relative_to(there) or there.is_relative_to(here):
        raise InvalidInput(
            f"{here} and {there} lie in one another", hint="give another folder with --remote"
        )


def write_workspace(workspace: Workspace) -> Path:
    """Writes .hai/workspace.yml and returns its path."""
    import yaml

    document = {
        "workspace": workspace.name,
        "local": str(workspace.local),
        "remote": str(workspace.remote),
        "provider": "api" if workspace.is_by_api else "sftp" if workspace.via else "dir",
        **({"via": workspace.via} if workspace.via else {}),
    }
    _keep(workspace.local, "workspace.yml", yaml.safe_dump(document, sort_keys=False))
    return workspace.local / FOLDER / "workspace.yml"


def find_workspace(directory: Path) -> Workspace:
    """The workspace that holds `directory`. Raises NotFound; InvalidInput for a bad file; Denied
    for one that somebody else wrote: it would send our files wherever it says."""
    start = directory.resolve()
    for folder in (start, *start.parents):
        for place in (Path(FOLDER) / "workspace.yml", _OLD_FILE):
            if (folder / place).is_file():
                _check_trusted(folder, place)
                return _read_workspace(folder, folder / place)
    raise NotFound(f"{start} is in no workspace", hint="haiworkspace init NAME makes it one")


def _check_trusted(folder: Path, place: Path) -> None:
    for path in (folder / place.parent, folder / place):
        try:
            files.check_trusted(path)
        except PermissionError as error:
            raise Denied(
                f"{path} is not followed: {error.strerror}",
                hint="haiworkspace init NAME in your own directory makes a workspace of yours",
            ) from error


def _read_workspace(folder: Path, path: Path) -> Workspace:
    import yaml

    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
        name, remote = check_name(str(document["workspace"])), str(document["remote"])
        provider = document.get("provider", "dir")
        via = str(document.get("via", ""))
    except (OSError, UnicodeDecodeError, yaml.YAMLError, TypeError, KeyError) as error:
        raise InvalidInput(
            f"{path} cannot be read: {' '.join(str(error).split())}",
            hint="write it anew: haiworkspace init NAME",
        ) from error
    if provider == "api" and via:
        return Workspace(name, folder, Path(name), normal_url(via))
    if provider == "sftp" and via:
        return Workspace(name, folder, Path(remote), via)
    if path.parent.name == _OLD_FILE.parent.name or not remote.startswith("/"):
        # The original's remote was relative to its object store; ours is a directory.
        return Workspace(name, folder, default_remote(name))
    if provider != "dir":
        raise InvalidInput(
            f"{path}: unknown provider {provider!r}",
            hint="write provider: dir, sftp with via: ssh://host, or api with via: URL",
        )
    return Workspace(name, folder, Path(remote))


def read_state(workspace: Workspace) -> SyncState:
    """What is remembered; nothing if the workspace moved to another remote. PlatformError."""
    path = workspace.local / FOLDER / "sync.json"
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if document["remote"] != workspace.place:
            return SyncState()
        return SyncState(
            base=(base := _entries(document["base"])),
            local_digests=_digests(document["local_digests"], base),
            remote_digests=_digests(document["remote_digests"], base),
            pushed_at=document["pushed_at"],
            pulled_at=document["pulled_at"],
            directories={name: int(m) for name, m in document.get("directories", {}).items()},
            folder=str(document.get("folder", "")),
            pending=_entries(document.get("pending", {})),
        )
    except FileNotFoundError:
        return SyncState()
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise PlatformError(
            f"{path} is damaged: {error}",
            hint="remove it; the next push compares all files anew and may need --force",
        ) from error


def _entries(document: Mapping[str, Any]) -> dict[str, FileEntry]:
    """An older release wrote names beside the values."""
    return {
        name: FileEntry(**row) if isinstance(row, dict) else FileEntry._make(row)
        for name, row in document.items()
    }


def _digests(
    document: Mapping[str, Any], base: Mapping[str, FileEntry]
) -> dict[str, tuple[Stamp, str]]:
    """Of each file its stamp and, where it is not that of `base`, the digest."""
    found: dict[str, tuple[Stamp, str]] = {}
    for name, row in document.items():
        if len(row) >= _STAMP_NUMBERS:
            size, mtime, ctime, inode, *own = row
            digest = own[0] if own else base[name].digest
            found[name] = ((size, mtime, ctime, inode), str(digest))
    return found  # an older release wrote two values: the file is read again


def _rows(
    digests: Mapping[str, tuple[Stamp, str]], base: Mapping[str, FileEntry]
) -> dict[str, Sequence[int | str]]:
    """The other way round. Most digests are those of `base`, and need not be written again."""
    return {
        name: stamp if (one := base.get(name)) and one.digest == digest else (*stamp, digest)
        for name, (stamp, digest) in digests.items()
    }


def write_state(workspace: Workspace, state: SyncState) -> None:
    """Keeps `state` for the next transfer. Entries are tuples, and so rows of values in JSON."""
    document = {
        "schema_version": SCHEMA_VERSION,
        "remote": workspace.place,
        "pushed_at": state.pushed_at,
        "pulled_at": state.pulled_at,
        "directories": state.directories,
        "folder": state.folder,
        "pending": state.pending,
        "base": state.base,
        "local_digests": _rows(state.local_digests, state.base),
        "remote_digests": _rows(state.remote_digests, state.base),
    }
    text = json.dumps(document, separators=(",", ":"))
    _keep(workspace.local, "sync.json", text, mode=0o600)


def origin_text(workspace: Workspace, pushed_at: str) -> str:
    """What is kept in the remote: which workspace it is, and who pushed last."""
    document = {
        "schema_version": SCHEMA_VERSION,
        "workspace": workspace.name,
        "local": f"{os.uname().nodename}:{workspace.local}",
        "pushed_at": pushed_at,
    }
    return json.dumps(document, indent=2) + "\n"


def write_origin(remote: Path, origin: str) -> None:
    """Says in the remote directory which workspace it is."""
    _keep(remote, "origin.json", origin)


def read_origin(remote: Path) -> dict[str, Any] | None:
    """What `write_origin` wrote; None if `remote` is no workspace. PermissionError where it is
    closed to us."""
    try:
        document = json.loads((remote / FOLDER / "origin.json").read_text(encoding="utf-8"))
    except PermissionError:
        raise
    except (OSError, ValueError):
        return None
    return document if isinstance(document, dict) else None


@contextmanager
def locked(folder: Path, mode: int = 0o777) -> Iterator[None]:
    """Waits for the only right to transfer into `folder`, which is made if need be (with `mode`,
    as the umask allows).

    Raises Denied if it cannot be written, or if its records are links to somewhere else.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode, exist_ok=True)
        (folder / FOLDER).mkdir(exist_ok=True)
        owners = files.trusted_owners() | {folder.stat().st_uid}
        with files.opened_folder(folder / FOLDER) as records:
            lock = files.open_lock("workspace.lock", folder=records, owners=owners)
    except OSError as error:
        raise Denied(
            f"cannot write in {folder}: {error.strerror}",
            hint="init the workspace with --remote, a folder of your own",
        ) from error
    with files.held(lock):
        yield


def _keep(folder: Path, name: str, text: str, mode: int = 0o644) -> None:
    (folder / FOLDER).mkdir(exist_ok=True)
    with files.opened_folder(folder / FOLDER) as records:
        files.write_whole(name, text, mode=mode, folder=records)
