"""A workspace behind the platform's API: chunks by content, compressed, sent once, in parallel."""

from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hai.errors import Denied, NotFound
from hai.workspace.listing import is_settled
from haiworkspace.ignore import Rules
from haiworkspace.listing import KnownDigests, Tree
from haiworkspace.plan import FileEntry, directories_of
from haiworkspace.remotes.fetching import Fetching
from haiworkspace.remotes.push import OnItsWay, Push
from haiworkspace.remotes.sending import Sending
from haiworkspace.remotes.wire import Row, entries_from, files_of, quoted

if TYPE_CHECKING:
    from hai.client.http import HaiClient

_PATHS_PER_REQUEST = 2000
_PATHS_BYTES = 700_000  # of names in one request, quoted


class ApiRemote:
    """See `Remote`."""

    def __init__(self, client: "HaiClient", name: str, snapshot: str = "") -> None:
        self._client = client
        self._name = name
        self._params = {"snapshot": snapshot} if snapshot else None
        self._seen: dict[str, Any] | None = None
        self._rows: dict[str, Row] = {}
        self._digests: dict[str, str] = {}
        self._known: KnownDigests | None = None
        self._tree = Tree({}, {})
        self._mode = 0o700
        self._ahead: Future[dict[str, Any]] | None = None

    def _look(self) -> dict[str, Any]:
        if self._seen is None:
            self._seen = self._client.call("workspace", name=self._name)
        return self._seen

    @property
    def folder(self) -> str:
        return str(self._look()["folder"])

    @property
    def foreign_uid(self) -> int | None:
        """Of the account whose files they are, where that is not the user's own."""
        found = self._look()
        return None if found["own"] else int(found["uid"])

    def exists(self) -> bool:
        return bool(self._look()["exists"])

    @contextmanager
    def locked(self, mode: int) -> Iterator[None]:
        """Nothing is held: the server does a whole list of changes under its own lock, and only if
        the tree still is as it was seen."""
        self._mode = mode
        with ThreadPoolExecutor(1) as pool:  # the server looks there while we look here
            self._ahead = pool.submit(self._listed)
            yield

    # -- looking -------------------------------------------------------------------------------

    def tree(self, rules: Rules, digests: KnownDigests | None) -> Tree:
        ahead, self._ahead = self._ahead, None
        found = ahead.result() if ahead else self._listed()
        excluded: dict[str, str] = {}
        closed = _Closed(rules, excluded)
        self._rows = {path: tuple(row) for path, *row in found["files"] if not closed.holds(path)}
        for path in found["others"]:
            if not closed.holds(path):
                excluded[path] = "neither a file, a link nor a directory"
        self._known = digests
        self._digests = self._looked_up(digests, int(found["now"])) if digests else {}
        self._tree = self._as_tree(excluded, found["directories"])
        return self._tree

    def _listed(self) -> dict[str, Any]:
        try:
            found = self._client.call("workspace_tree", name=self._name, params=self._params)
        except NotFound:
            found = None
        return found or {"files": [], "directories": {}, "others": [], "now": 0}

    def _as_tree(self, excluded: Mapping[str, str], directories: Mapping[str, int]) -> Tree:
        entries = {path: self._entry(path, row) for path, row in self._rows.items()}
        used = directories_of(entries)
        modes = {name: mode for name, mode in directories.items() if name in used}
        return Tree(entries, excluded, modes)

    def _entry(self, path: str, row: Row) -> FileEntry:
        mode, size, mtime, _, _, link = row
        if link is not None:
            return FileEntry(0, 0, mtime, link=link)
        return FileEntry(mode, size, mtime, self._digests.get(path))

    def _looked_up(self, digests: KnownDigests, now: int) -> dict[str, str]:
        """The digest of each file: from before, or asked for if it is wanted."""
        found: dict[str, str] = {}
        missing: list[str] = []
        for path, row in self._rows.items():
            if known := digests.known_of(path, row[1:5]):
                found[path] = known
            elif row[5] is None and (digests.wanted is None or path in digests.wanted):
                missing.append(path)
        for some in _portions(missing):
            body = self._by_form(some, digests)
            told = self._client.call(
                "workspace_digests", name=self._name, params=self._params, body=body
            )
            found.update({path: digest for path, (digest, _) in told["digests"].items()})
        digests.now = now
        for path, digest in found.items():
            digests.note(path, self._rows[path][1:5], digest)
        return found

    def _by_form(self, paths: list[str], digests: KnownDigests) -> dict[str, list[str]]:
        forms: dict[bool, list[str]] = {False: [], True: []}
        for path in paths:
            forms[digests.by_chunks(path, self._rows[path][1])].append(quoted(path))
        return {"paths": forms[False], **({"by_chunks": forms[True]} if forms[True] else {})}

    # -- changing ------------------------------------------------------------------------------

    @property
    def reads_what_it_sends(self) -> bool:
        return True

    @property
    def by_chunks(self) -> bool:
        return bool(self._look().get("by_chunks"))

    def change(self, push: Push) -> Tree:
        sending = self._sending(self._rows, self._digests)
        document = sending.files(push.local, push.plan.copied, asks=self.exists())
        document |= {
            "removed": {path: self._stamp(path) for path in push.plan.removed},
            "modes": dict(push.plan.modes),
            "clear": push.clear,
            "mode": self._mode,
            "origin": push.origin,
        }
        push.note(OnItsWay(sending.entries, sending.stamps, sending.again))
        done = sending.apply(document)
        self._note(sending.entries, done["stamps"], push.plan.removed, int(done["now"]))
        self._look()["exists"] = True
        modes = {**self._tree.directories, **done["made"], **push.plan.modes}
        return self._as_tree(self._tree.excluded, modes)

    def _sending(self, rows: Mapping[str, Row], digests: Mapping[str, str]) -> Sending:
        return Sending(self._client, self._name, rows, digests, by_chunks=self.by_chunks)

    def _note(
        self,
        sent: Mapping[str, FileEntry],
        stamps: Mapping[str, list[int]],
        removed: Iterable[str],
        now: int,
    ) -> None:
        """What is there now. A file that we wrote has the time of the one here: whoever writes it
        again changes that, unless it was `now`, before the server began to write."""
        for path in removed:
            self._rows.pop(path, None)
            self._digests.pop(path, None)
        for path, stamp in stamps.items():
            one = sent[path]
            size, mtime, ctime, inode = stamp
            self._rows[path] = (one.mode, size, mtime, ctime, inode, one.link)
            self._digests.pop(path, None)
            if one.digest is None:
                continue
            self._digests[path] = one.digest
            if self._known is not None and is_settled((size, mtime, mtime, inode), now):
                self._known.seen[path] = ((size, mtime, ctime, inode), one.digest)

    def _stamp(self, path: str) -> tuple[int, ...] | None:
        row = self._rows.get(path)
        return None if row is None else row[1:5]

    def remove(self, paths: Iterable[str]) -> None:
        if not self._rows:
            self.tree(Rules(()), None)
        self._apply(removed={path: self._stamp(path) for path in paths})

    def write_origin(self, origin: str) -> None:
        self._apply(origin=origin)

    def _apply(self, **changes: object) -> None:
        document = {"files": [], "removed": {}, "directories": {}, "modes": {}, "clear": False}
        sending = self._sending({}, {})
        sending.apply({**document, "mode": self._mode, "origin": "", **changes})

    def read_origin(self) -> dict[str, Any] | None:
        origin = self._look()["origin"]
        return origin if isinstance(origin, dict) else None

    def destroy(self) -> None:
        self._client.call("workspace_remove", name=self._name)
        self._seen = None

    # -- snapshots -----------------------------------------------------------------------------

    def snapshot(self, entries: Mapping[str, FileEntry]) -> tuple[str, str]:
        sending = self._sending({}, {})
        names = sending.document({"entries": files_of(entries)})
        body = {"digests": names}
        made = self._client.call("workspace_snapshot", name=self._name, body=body)
        return str(made["id"]), str(made["folder"])

    def snapshot_entries(self, snapshot: str) -> dict[str, FileEntry]:
        found = self._client.call("workspace_snapshot_files", name=self._name, snapshot=snapshot)
        return entries_from(found["entries"])

    def in_snapshot(self, snapshot: str) -> "ApiRemote":
        return ApiRemote(self._client, self._name, snapshot)

    # -- fetching ------------------------------------------------------------------------------

    def fetch(self, local: Path, paths: Iterable[str], *, clear: bool) -> None:
        fetching = Fetching(self._client, self._name, self._rows, self._digests)
        fetching.params = self._params
        fetching.into(local, list(paths), clear=clear)


class _Closed:
    """Which paths the rules keep out, by themselves or with a directory above them."""

    def __init__(self, rules: Rules, excluded: dict[str, str]) -> None:
        self._rules = rules
        self._excluded = excluded
        self._directories: dict[str, bool] = {"": False}

    def holds(self, path: str) -> bool:
        above = path.rpartition("/")[0]
        if self._is_closed(above):
            return True
        if why := self._rules.why_excluded(path, is_directory=False):
            self._excluded[path] = why
        return bool(why)

    def _is_closed(self, directory: str) -> bool:
        known = self._directories.get(directory)
        if known is None:
            known = self._is_closed(directory.rpartition("/")[0])
            if not known and (why := self._rules.why_excluded(directory, is_directory=True)):
                self._excluded[directory + "/"] = why
                known = True
            self._directories[directory] = known
        return known


def client_for(via: str) -> "HaiClient":
    """The platform at `via`, with the token of the profile in force. Denied for any other URL: a
    workspace's file must not choose where a token goes."""
    from hai.client.http import HaiClient
    from hai.client.profile import load_profile

    profile = load_profile()
    if profile.url != via:
        raise Denied(
            f"this workspace belongs to {via}, and you are logged in at {profile.url or 'none'}",
            hint=f"hai-cli init --url {via}, or make the workspace anew: haiworkspace init NAME",
        )
    return HaiClient(profile)


def _portions(paths: list[str]) -> Iterator[list[str]]:
    some: list[str] = []
    size = 0
    for path in paths:
        if some and (len(some) >= _PATHS_PER_REQUEST or size > _PATHS_BYTES):
            yield some
            some, size = [], 0
        some.append(path)
        size += 3 * len(path) + 4
    if some:
        yield some
