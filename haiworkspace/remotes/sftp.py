"""A directory behind an SSH server, by SFTP.

Where the server lets us run programs, flock holds the lock there, so that it ends with the
connection, and sha256sum reads the files that changed; where it does not (an internal-sftp), a
directory is the lock and contents come over the line.
"""

import json
import os
import posixpath
import shlex
import stat
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hai.client.plain import error_from_body
from hai.errors import Conflict, Denied, InvalidInput, NotFound
from hai.workspace.digests import CHUNK_BYTES, Hashing
from hai.workspace.listing import Stamp
from hai.workspace.twin import SNAPSHOT_ID
from haiworkspace import transfer
from haiworkspace.ignore import Rules
from haiworkspace.listing import KnownDigests, Tree, directory_mode
from haiworkspace.plan import FileEntry, parents
from haiworkspace.records import FOLDER
from haiworkspace.remotes.arriving import Arriving
from haiworkspace.remotes.programs import Programs
from haiworkspace.remotes.push import Push, change_in_steps
from haiworkspace.remotes.refusals import closed, held
from haiworkspace.remotes.wire import entries_from, files_of, in_use
from haiworkspace.there import QUESTION_BYTES

if TYPE_CHECKING:
    from paramiko import SFTPAttributes, SSHClient

_NANOSECONDS = 1_000_000_000
_RACY_NANOSECONDS = 3 * _NANOSECONDS  # SFTP has whole seconds, and clocks differ
_LOCK_SECONDS = 60


class SftpRemote:
    """See `Remote`."""

    def __init__(self, client: "SSHClient", root: str) -> None:
        self._client = client
        self._sftp = client.open_sftp()
        self._root = root if root.startswith("/") else posixpath.join(self._home(), root)
        self._made: set[str] = set()
        self._programs = Programs(client)

    def _home(self) -> str:
        return self._sftp.normalize(".")

    @property
    def folder(self) -> str:
        return self._root

    def exists(self) -> bool:
        return self._is_directory(self._root)

    # -- listing -------------------------------------------------------------------------------

    def tree(self, rules: Rules, digests: KnownDigests | None) -> Tree:
        entries: dict[str, FileEntry] = {}
        excluded: dict[str, str] = {}
        modes: dict[str, int] = {}
        stamped: dict[str, Stamp] = {}
        for name, status in self._walk("", rules, excluded, modes):
            mode = status.st_mode or 0
            mtime = int(status.st_mtime or 0) * _NANOSECONDS
            if stat.S_ISLNK(mode):
                entries[name] = FileEntry(0, 0, mtime, link=self._sftp.readlink(self._path(name)))
            elif stat.S_ISREG(mode):
                stamped[name] = (status.st_size or 0, mtime, 0, 0)
                entries[name] = FileEntry(stat.S_IMODE(mode) & 0o777, status.st_size or 0, mtime)
            else:
                excluded[name] = "neither a file, a link nor a directory"
        if digests:
            for name, digest in self._digests(digests, stamped).items():
                one = entries[name]
                entries[name] = FileEntry(one.mode, one.size, one.mtime_ns, digest)
        used = {name for path in entries for name in parents(path)}
        return Tree(entries, excluded, {name: modes[name] for name in modes if name in used})

    def _walk(
        self, prefix: str, rules: Rules, excluded: dict[str, str], modes: dict[str, int]
    ) -> Iterator[tuple[str, "SFTPAttributes"]]:
        folder = self._path(prefix) if prefix else self._root
        try:
            found = self._sftp.listdir_attr(folder)
        except FileNotFoundError:
            if prefix:
                raise
            return
        except UnicodeDecodeError as error:
            raise Conflict(
                f"{folder} has a name that is not UTF-8: {error.object!r}",
                hint="rename it there; SFTP cannot name it",
            ) from error
        for item in sorted(found, key=lambda one: one.filename):
            name = prefix + item.filename
            is_directory = stat.S_ISDIR(item.st_mode or 0)
            why = rules.why_excluded(name, is_directory=is_directory)
            if why:
                excluded[name + "/" * is_directory] = why
            elif is_directory:
                modes[name] = stat.S_IMODE(item.st_mode or 0) & 0o777 | 0o700
                yield from self._walk(name + "/", rules, excluded, modes)
            else:
                yield name, item

    def _digests(self, digests: KnownDigests, stamped: Mapping[str, Stamp]) -> dict[str, str]:
        found: dict[str, str] = {}
        for name, stamp in stamped.items():
            if known := digests.known_of(name, stamp):
                found[name] = known
        wanted = stamped if digests.wanted is None else digests.wanted
        missing = [name for name in stamped if name not in found and name in wanted]
        long = {name for name in missing if digests.by_chunks(name, stamped[name][0])}
        found.update(self._read_digests([name for name in missing if name not in long]))
        found.update({name: self._read_digest(name, by_chunks=True) for name in long})
        # What was changed a moment ago may change again without another time or size.
        since = time.time_ns() - _RACY_NANOSECONDS
        settled = [name for name in found if stamped[name][1] < since]
        digests.seen.update({name: (stamped[name], found[name]) for name in settled})
        return found

    def _read_digests(self, names: list[str]) -> dict[str, str]:
        found = self._programs.sums(self._root, names)
        for name in names:
            if name not in found:
                found[name] = self._read_digest(name, by_chunks=False)
        return found

    def _read_digest(self, name: str, *, by_chunks: bool) -> str:
        digest = Hashing(by_chunks=by_chunks)
        with self._sftp.open(self._path(name), "rb") as file:
            file.prefetch()
            while chunk := file.read(CHUNK_BYTES):
                digest.update(chunk)
        return digest.digest()

    # -- changing ------------------------------------------------------------------------------

    @property
    def reads_what_it_sends(self) -> bool:
        return False

    @property
    def by_chunks(self) -> bool:
        return False

    def change(self, push: Push) -> None:
        change_in_steps(self, push)

    def send(self, local: Path, paths: Iterable[str], *, clear: bool) -> None:
        made: dict[str, int] = {}
        arriving = Arriving(self._sftp, self._path(FOLDER))
        try:
            for path in paths:
                self._make_parents(path, local, made, clear=clear)
                self._send_one(arriving, local / path, path, clear=clear)
        finally:
            self.set_modes(made)

    def _send_one(self, arriving: Arriving, source: Path, path: str, *, clear: bool) -> None:
        target = self._path(path)
        if self._is_directory(target):
            if not clear:
                raise transfer.in_the_way(target)
            with suppress(OSError):  # not empty: the rename says so
                self._sftp.rmdir(target)
        try:
            arriving.put(source, target)
        except OSError as error:
            if self._is_directory(target):
                raise transfer.in_the_way(target) from error
            raise

    def _make_parents(self, path: str, local: Path, made: dict[str, int], *, clear: bool) -> None:
        for name in parents(path):
            if name in self._made:
                continue
            target = self._path(name)
            mode = self._mode(target)
            if mode is not None and not stat.S_ISDIR(mode):
                if not clear:
                    raise transfer.in_the_way(target)
                self._sftp.remove(target)
                mode = None
            if mode is None:
                self._sftp.mkdir(target, 0o700)
                made[name] = directory_mode(local / name)
            self._made.add(name)

    def fetch(self, local: Path, paths: Iterable[str], *, clear: bool) -> None:
        """By way of a folder beside the records, and from there as from any other folder."""
        staged = local / FOLDER / "incoming"
        transfer.destroy(staged)
        staged.mkdir(mode=0o700)
        try:
            listed = list(paths)
            for path in listed:
                self._fetch_one(path, staged / path)
            transfer.copy(staged, local, listed, clear=clear)
        finally:
            transfer.destroy(staged)

    def _fetch_one(self, path: str, target: Path) -> None:
        if ".." in path.split("/") or path.startswith("/"):
            raise Denied(f"{path!r} leads out of the workspace", hint="")
        target.parent.mkdir(parents=True, exist_ok=True)
        status = self._sftp.lstat(self._path(path))
        mtime = int(status.st_mtime or 0)
        if stat.S_ISLNK(status.st_mode or 0):
            target.symlink_to(self._sftp.readlink(self._path(path)) or "")
            return
        with self._sftp.open(self._path(path), "rb") as source, target.open("xb") as file:
            source.prefetch(status.st_size)
            while chunk := source.read(CHUNK_BYTES):
                file.write(chunk)
        target.chmod(stat.S_IMODE(status.st_mode or 0) & 0o777)
        os.utime(target, (mtime, mtime))

    def remove(self, paths: Iterable[str]) -> None:
        for path in paths:
            with suppress(FileNotFoundError):
                self._sftp.remove(self._path(path))
            for parent in reversed(parents(path)):
                try:
                    self._sftp.rmdir(self._path(parent))
                    self._made.discard(parent)
                except OSError:  # something else is in it
                    break

    def set_modes(self, modes: Mapping[str, int]) -> None:
        for name in sorted(modes, key=lambda one: one.count("/"), reverse=True):
            self._sftp.chmod(self._path(name), modes[name])

    def snapshot(self, entries: Mapping[str, FileEntry]) -> tuple[str, str] | None:
        question = json.dumps({"entries": files_of(entries), "keep": in_use()})
        made = self._programs.snapshot(self._root, question.encode("ascii"))
        if made is None:
            return None
        if "error" in made:
            raise error_from_body(0, made["error"], "haiworkspace there")
        return str(made["id"]), str(made["folder"])

    def snapshot_entries(self, snapshot: str) -> dict[str, FileEntry]:
        document = self._document(f"{self._folder_of(snapshot)}.json", QUESTION_BYTES)
        if document is None:
            raise NotFound(f"there is no snapshot {snapshot}", hint="it was collected")
        return entries_from(document["entries"])

    def in_snapshot(self, snapshot: str) -> "SftpRemote":
        return SftpRemote(self._client, self._folder_of(snapshot))

    def _folder_of(self, snapshot: str) -> str:
        if not SNAPSHOT_ID.fullmatch(snapshot):
            raise InvalidInput(f"{snapshot[:80]!r} is no id of a snapshot", hint="")
        return posixpath.join(self._root, FOLDER, "snapshots", snapshot)

    def destroy(self) -> None:
        folder, name = posixpath.split(self._root)
        doomed = posixpath.join(folder, f".removed.{name}")
        self._sftp.posix_rename(self._root, doomed)
        self._destroy(doomed)

    def _destroy(self, folder: str) -> None:
        for item in self._sftp.listdir_attr(folder):
            path = posixpath.join(folder, item.filename)
            if stat.S_ISDIR(item.st_mode or 0):
                self._destroy(path)
            else:
                self._sftp.remove(path)
        self._sftp.rmdir(folder)

    # -- records -------------------------------------------------------------------------------

    @contextmanager
    def locked(self, mode: int) -> Iterator[None]:
        self._make_root(mode)
        lock = posixpath.join(self._root, FOLDER, "workspace.lock")
        self._check_records(lock)
        if not self._programs.run_there:
            with self._locked_by_directory():
                yield
            return
        quoted = shlex.quote(lock)
        command = f"flock -w {_LOCK_SECONDS} {quoted} sh -c 'echo locked; cat' || echo busy"
        stdin, stdout, _ = self._client.exec_command(command)
        try:
            if stdout.readline().strip() != "locked":
                raise held(self._root)
            yield
        finally:
            stdin.close()
            stdout.channel.close()

    def _check_records(self, lock: str) -> None:
        """A link in their place would lead somewhere else."""
        for path, is_kind in ((posixpath.dirname(lock), stat.S_ISDIR), (lock, stat.S_ISREG)):
            mode = self._mode(path)
            if mode is not None and not is_kind(mode):
                raise Denied(
                    f"{path} is a link, or no file of haiworkspace",
                    hint="remove it there, then try again",
                )

    @contextmanager
    def _locked_by_directory(self) -> Iterator[None]:
        lock = posixpath.join(self._root, FOLDER, "workspace.locked")
        try:
            self._sftp.mkdir(lock, 0o700)
        except PermissionError as error:
            raise closed(self._root, error) from error
        except OSError as error:
            raise held(self._root, f"; if nobody does, remove {lock}") from error
        try:
            yield
        finally:
            self._sftp.rmdir(lock)

    def _make_root(self, mode: int) -> None:
        try:
            for path in reversed([self._root, *_above(self._root)]):
                if not self._is_directory(path):
                    self._sftp.mkdir(path, mode if path == self._root else 0o755)
            records = posixpath.join(self._root, FOLDER)
            if self._mode(records) is None:
                self._sftp.mkdir(records, 0o755)
        except OSError as error:
            raise closed(self._root, error) from error

    def write_origin(self, origin: str) -> None:
        path = posixpath.join(self._root, FOLDER, "origin.json")
        with self._sftp.open(_temporary(path), "wb") as file:
            file.write(origin.encode())
        self._sftp.posix_rename(_temporary(path), path)

    def read_origin(self) -> dict[str, Any] | None:
        return self._document(posixpath.join(self._root, FOLDER, "origin.json"), 1 << 20)

    def _document(self, path: str, most: int) -> dict[str, Any] | None:
        try:
            with self._sftp.open(path, "rb") as file:
                document = json.loads(file.read(most))
        except PermissionError:
            raise
        except (OSError, ValueError):
            return None
        return document if isinstance(document, dict) else None

    # -- small things --------------------------------------------------------------------------

    def _path(self, name: str) -> str:
        return posixpath.join(self._root, name)

    def _mode(self, path: str) -> int | None:
        try:
            return self._sftp.lstat(path).st_mode
        except FileNotFoundError:
            return None

    def _is_directory(self, path: str) -> bool:
        """The root itself may be reached by a link: it is what the user named."""
        mode = self._mode(path)
        if mode is not None and stat.S_ISLNK(mode) and self._root.startswith(path):
            with suppress(FileNotFoundError):
                mode = self._sftp.stat(path).st_mode
        return mode is not None and stat.S_ISDIR(mode)


def _above(path: str) -> list[str]:
    found = []
    while (path := posixpath.dirname(path)) != "/":
        found.append(path)
    return found


def _temporary(path: str) -> str:
    folder, name = posixpath.split(path)
    return posixpath.join(folder, transfer.temporary_name(name))
