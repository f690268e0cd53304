"""Lists the files of a tree, with digests of their contents that are remembered between runs."""

import os
import stat
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from hai.workspace.digests import CHUNK_BYTES, digest_of_open, is_by_chunks
from hai.workspace.listing import Open, Stamp, is_settled, stamp_of
from haiworkspace.ignore import Rules
from haiworkspace.plan import FileEntry, directories_of, parents


@dataclass(slots=True)
class KnownDigests:
    """Digests known from before. A file is read only if its size, times or inode have changed.

    Only the contents of `wanted` are read (None: of all files): a file that nothing is compared
    with has its digest from before, or none.

    `now` is the time of files (hai.workspace.listing.file_time): what was written in this moment
    may be written again without another stamp, so its digest is not kept. None: by the clock.

    A digest is of a whole content or, with `chunked`, by chunks (hai.workspace.digests); of files
    that are compared with what was recorded in the past, it is of the form of that one in `like`.
    """

    known: Mapping[str, tuple[Stamp, str]]
    seen: dict[str, tuple[Stamp, str]] = field(default_factory=dict)
    now: int | None = None
    wanted: Collection[str] | None = None
    chunked: bool = False
    like: Mapping[str, str] = field(default_factory=dict)

    def by_chunks(self, name: str, size: int) -> bool:
        """Whether the digest of such a file is one by chunks."""
        if size <= CHUNK_BYTES:
            return False
        like = self.like.get(name)
        return is_by_chunks(like) if like else self.chunked

    def known_of(self, name: str, stamp: Stamp) -> str | None:
        """The digest from before, in the form that is compared."""
        before = self.known.get(name)
        if before is None or before[0] != stamp:
            return None
        return before[1] if is_by_chunks(before[1]) == self.by_chunks(name, stamp[0]) else None

    def of(self, path: str, name: str, status: os.stat_result) -> str | None:
        """The digest of the file `path`, known as `name`."""
        stamp = stamp_of(status)
        digest = self.known_of(name, stamp)
        if digest is None:
            if self.wanted is not None and name not in self.wanted:
                return None
            digest = digest_of(path, by_chunks=self.by_chunks(name, stamp[0]))
        self.note(name, stamp, digest)
        return digest

    def note(self, name: str, stamp: Stamp, digest: str) -> None:
        """Remembers the digest of a file that was read when it had this stamp."""
        if self.now is None or is_settled(stamp, self.now):
            self.seen[name] = (stamp, digest)


@dataclass(frozen=True, slots=True)
class Tree:
    """The files and links below a directory, the modes of the directories that hold them, and what
    was left out with the reason."""

    entries: Mapping[str, FileEntry]
    excluded: Mapping[str, str]
    directories: Mapping[str, int] = field(default_factory=dict)


def list_tree(root: Path, rules: Rules, digests: KnownDigests | None) -> Tree:
    """Lists `root` without following links. Without `digests` contents are not read.

    Directories count only through what is in them. A root that is not there is empty.
    """
    entries: dict[str, FileEntry] = {}
    excluded: dict[str, str] = {}
    for name, item in _walk(root, "", rules, excluded):
        status = item.stat(follow_symlinks=False)
        if item.is_symlink():
            link = os.readlink(item.path)  # noqa: PTH115 (a Path would drop a last slash)
            entries[name] = FileEntry(0, 0, status.st_mtime_ns, link=link)
        elif stat.S_ISREG(status.st_mode):
            digest = digests.of(item.path, name, status) if digests else None
            mode = stat.S_IMODE(status.st_mode) & 0o777
            entries[name] = FileEntry(mode, status.st_size, status.st_mtime_ns, digest)
        else:
            excluded[name] = "neither a file, a link nor a directory"
    return Tree(entries, excluded, _modes(root, directories_of(entries)))


def with_digests(root: Path, tree: Tree, digests: KnownDigests, paths: Iterable[str]) -> Tree:
    """The tree with the contents of those of `paths` read that it has, and whose digests it does
    not have."""
    read: dict[str, FileEntry] = {}
    for name in paths:
        one = tree.entries.get(name)
        if one is None or one.digest is not None or one.link is not None:
            continue
        status = (root / name).lstat()
        mode = stat.S_IMODE(status.st_mode) & 0o777
        digest = digests.of(str(root / name), name, status)
        read[name] = FileEntry(mode, status.st_size, status.st_mtime_ns, digest)
    return replace(tree, entries={**tree.entries, **read}) if read else tree


def entries_at(root: Path, paths: Iterable[str], digests: KnownDigests) -> dict[str, FileEntry]:
    """Those of `paths` that are files or links below `root`; no directory on the way is a link."""
    found = {}
    for path in paths:
        where = root / path
        if any((root / above).is_symlink() for above in parents(path)):
            continue
        with suppress(FileNotFoundError, NotADirectoryError):
            status = where.lstat()
            if stat.S_ISLNK(status.st_mode):
                link = os.readlink(where)  # noqa: PTH115 (a Path would drop a last slash)
                found[path] = FileEntry(0, 0, status.st_mtime_ns, link=link)
            elif stat.S_ISREG(status.st_mode):
                mode = stat.S_IMODE(status.st_mode) & 0o777
                digest = digests.of(str(where), path, status)
                found[path] = FileEntry(mode, status.st_size, status.st_mtime_ns, digest)
    return found


def _modes(root: Path, names: Iterable[str]) -> dict[str, int]:
    found = {}
    for name in names:
        with suppress(FileNotFoundError):
            found[name] = directory_mode(root / name)
    return found


def directory_mode(path: Path) -> int:
    """Its permissions, as they are kept: its owner may always do all."""
    return stat.S_IMODE(path.lstat().st_mode) & 0o777 | 0o700


def _walk(
    folder: Path, prefix: str, rules: Rules, excluded: dict[str, str]
) -> Iterator[tuple[str, os.DirEntry[str]]]:
    try:
        found = os.scandir(folder)
    except FileNotFoundError:
        if prefix:
            raise
        return
    with found:
        items = sorted(found, key=lambda item: item.name)
    for item in items:
        name = prefix + item.name
        is_directory = item.is_dir(follow_symlinks=False)
        why = rules.why_excluded(name, is_directory=is_directory)
        if why:
            excluded[name + "/" * is_directory] = why
        elif is_directory:
            yield from _walk(Path(item.path), name + "/", rules, excluded)
        else:
            yield name, item


def digest_of(path: Path | str, *, by_chunks: bool) -> str:
    """The digest of a file's content."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    with closing(Open(handle)):
        return digest_of_open(handle, by_chunks=by_chunks)
