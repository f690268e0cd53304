"""A copy of a list of objects that follows the server: list, then watch, for ever.

Whatever breaks, the copy stays what it was and goes on from the version that it has; a version that
the server has forgotten (HTTP 410) is listed again and compared. Each change is told once, and none
is left out, except states between two lists that were seen by neither.
"""

import asyncio
import random
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

import structlog

from hai.errors import HaiError, Unavailable
from hai.kubernetes.client import KubernetesClient
from hai.kubernetes.errors import Expired, refusal
from hai.kubernetes.events import WatchEvent, events_of
from hai.kubernetes.keeping import keep_for

Json = dict[str, Any]
Key = tuple[str, str]  # namespace (empty for nodes and the like) and name

log = structlog.get_logger("hai.kubernetes.reflector")


@dataclass(frozen=True, slots=True)
class ObjectChange:
    """One object appeared, changed or went. An object of the same name but another uid is two
    changes: the old one went, the new one appeared."""

    kind: Literal["added", "modified", "deleted"]
    key: Key
    before: Json | None  # None when added
    after: Json | None  # None when deleted


@dataclass(frozen=True, slots=True)
class Pace:
    """How often and how long; seconds."""

    page_items: int = 500
    watch_seconds: float = 300.0  # then the server ends the watch; up to twice that, by chance
    idle_seconds: float = 100.0  # a watch brings a bookmark every minute at least
    quiet_seconds: float = 10.0  # then the server is asked whether it is alive
    first_backoff_seconds: float = 0.5
    most_backoff_seconds: float = 30.0
    steady_seconds: float = 5.0  # a watch of that length ends a series of failures


@dataclass(slots=True)
class Counters:
    """What a reflector did since it was made."""

    lists: int = 0
    watches: int = 0
    events: int = 0
    bookmarks: int = 0
    changes: int = 0
    expired: int = 0  # HTTP 410
    failures: int = 0  # of lists and watches, 410 left out
    callback_failures: int = 0
    last_failure: str = ""


@dataclass(slots=True)
class _Progress:
    """Where the reflector is."""

    version: str | None = None  # None: list first
    failures: int = 0  # in a row
    heard_at: float | None = None  # monotonic
    is_watching: bool = False
    synced: asyncio.Event = field(default_factory=asyncio.Event)
    changed: asyncio.Event = field(default_factory=asyncio.Event)


class Reflector:
    """Follow one list, such as /api/v1/namespaces/research/pods.

    on_change: told of every change, in order, after `items` has it; it must be quick.
    keep: what of an object is kept; it may change its argument. By default that of keep_for: pods
    and nodes without what they are started with, all others without bookkeeping.
    """

    def __init__(
        self,
        client: KubernetesClient,
        path: str,
        *,
        label_selector: str = "",
        field_selector: str = "",
        on_change: Callable[[ObjectChange], None] | None = None,
        keep: Callable[[Json], Json] | None = None,
        pace: Pace | None = None,
    ) -> None:
        self.counters = Counters()
        self.path = path
        self._client = client
        self._on_change = on_change
        self._keep = keep or keep_for(path)
        self._pace = pace or Pace()
        self._items: dict[Key, Json] = {}
        self._at = _Progress()
        self._tasks: list[asyncio.Task[None]] = []
        self._selectors = {"labelSelector": label_selector, "fieldSelector": field_selector}
        self._selectors = {name: text for name, text in self._selectors.items() if text}

    @property
    def items(self) -> Mapping[Key, Json]:
        """By namespace and name; a live view, not to be changed."""
        return MappingProxyType(self._items)

    @property
    def synced(self) -> bool:
        """True once `items` was complete; whether it is up to date, seconds_since_heard says."""
        return self._at.synced.is_set()

    @property
    def seconds_since_heard(self) -> float:
        """Since the server last proved that `items` is up to date; infinite before the first list.

        While a watch is open any answer of the server to the same client is such a proof, and it is
        asked when nothing else is heard; a dead connection ends within half a minute.
        """
        if self._at.heard_at is None:
            return float("inf")
        own = time.monotonic() - self._at.heard_at
        return min(own, self._client.seconds_since_heard) if self._at.is_watching else own

    async def start(self) -> None:
        """Begin to follow. It returns at once, also when the server is away."""
        if not self._tasks:
            self._tasks = [
                asyncio.create_task(self._follow(), name=f"reflector {self.path}"),
                asyncio.create_task(self._ask_when_quiet(), name=f"reflector's probe {self.path}"),
            ]

    async def close(self) -> None:
        """Stop to follow; `items` stays as it is."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task

    async def wait_synced(self) -> None:
        await self._at.synced.wait()

    async def wait_for(self, condition: Callable[[Mapping[Key, Json]], object]) -> None:
        """Until the condition holds for `items`; it is looked at after every change."""
        while not condition(self._items):
            await self._at.changed.wait()

    async def _follow(self) -> None:
        while True:
            try:
                if self._at.version is None:
                    await self._list()
                await self._watch()
            except Expired:
                self.counters.expired += 1
                self._at.version = None
                await self._back_off(0.0)
            except HaiError as error:
                self._note_failure(error.message)
                asked = error.details.get("retry_after_seconds", 0.0)  # by the server
                await self._back_off(asked if isinstance(asked, float) else 0.0)

            except Exception as error:  # the boundary: a mistake must not end the copy in silence
                self._note_failure(repr(error))
                log.exception("reflector_failed", path=self.path)
                self._at.version = None
                await self._back_off(0.0)

    def _note_failure(self, reason: str) -> None:
        self.counters.failures += 1
        self.counters.last_failure = reason
        log.warning("watch_broke", path=self.path, reason=reason)

    async def _back_off(self, asked_seconds: float) -> None:
        """A random pause, longer after each failure: many clients must not come back at once."""
        pace = self._pace
        longest = min(
            pace.most_backoff_seconds, pace.first_backoff_seconds * 2 ** min(self._at.failures, 16)
        )
        self._at.failures += 1
        seconds = longest * random.uniform(0.5, 1.0)  # noqa: S311 (no secret)
        await asyncio.sleep(asked_seconds + seconds)

    async def _list(self) -> None:
        """Read the whole list, and tell how it differs from the copy."""
        self.counters.lists += 1
        fresh: dict[Key, Json] = {}
        version = ""
        params = {**self._selectors, "limit": self._pace.page_items}
        async for page in self._client.pages(self.path, **params):
            for item in page["items"]:
                key = _key_of(item)
                known = self._items.get(key)
                # The known one, where nothing changed: two copies of everything would be large.
                fresh[key] = known if known and _is_same(known, item) else self._keep(item)
            version = page["metadata"].get("resourceVersion", "")
            self._hear()
        for key in self._items.keys() - fresh.keys():
            self._remove(key)
        for key, item in fresh.items():
            self._put(key, item)
        self._at.version = version
        self._at.synced.set()
        self._wake()

    async def _watch(self) -> None:
        """Follow from the version that is known; returns when the server ends the watch."""
        self.counters.watches += 1
        seconds = self._pace.watch_seconds * random.uniform(1.0, 2.0)  # noqa: S311 (no secret)
        params = {
            **self._selectors,
            "watch": True,
            "allowWatchBookmarks": True,
            "resourceVersion": self._at.version,
            "timeoutSeconds": max(1, int(seconds)),
        }
        began, seen = time.monotonic(), self.counters.events
        async with self._client.stream(
            "WATCH", self.path, params=params, idle_seconds=self._pace.idle_seconds
        ) as pieces:
            self._at.is_watching = True
            try:
                self._hear()
                async for batch in events_of(pieces):
                    self._hear()
                    for event in batch:
                        self._take(event)
                    if self.counters.events > seen:
                        self._at.failures = 0  # it gets on, even if it is cut now and then
                    self._wake()
            finally:
                # A server that has had no change since it started sends not even bookmarks: such a
                # watch ends as idle, though all that was heard meanwhile still holds.
                self._at.heard_at = time.monotonic() - self.seconds_since_heard
                self._at.is_watching = False
                if time.monotonic() - began >= self._pace.steady_seconds:
                    self._at.failures = 0
        is_short = time.monotonic() - began < min(self._pace.steady_seconds, seconds / 2)
        if is_short and self.counters.events == seen:
            raise Unavailable(f"the server ended the watch of {self.path} at once")
        self._at.failures = 0

    def _hear(self) -> None:
        self._at.heard_at = time.monotonic()

    def _wake(self) -> None:
        self._at.changed.set()
        self._at.changed = asyncio.Event()

    def _take(self, event: WatchEvent) -> None:
        kind, item = event
        if kind == "ERROR":
            raise refusal("WATCH", self.path, int(item.get("code") or 500), item)
        if kind == "BOOKMARK":
            self.counters.bookmarks += 1
        elif kind == "DELETED":
            self.counters.events += 1
            self._remove(_key_of(item), item)
        elif kind in ("ADDED", "MODIFIED"):
            self.counters.events += 1
            key = _key_of(item)
            known = self._items.get(key)
            if known is None or not _is_same(known, item):
                self._put(key, self._keep(item))
        version = item.get("metadata", {}).get("resourceVersion")
        if version:
            self._at.version = version

    def _put(self, key: Key, item: Json) -> None:
        known = self._items.get(key)
        if known is item:
            return
        if known is not None and _uid(known) != _uid(item):
            self._remove(key)
            known = None
        self._items[key] = item
        self._tell(ObjectChange("modified" if known else "added", key, known, item))

    def _remove(self, key: Key, last: Json | None = None) -> None:
        """last: the state in which it went, if that was told."""
        known = self._items.pop(key, None)
        if known is not None:
            self._tell(ObjectChange("deleted", key, self._keep(last) if last else known, None))

    def _tell(self, change: ObjectChange) -> None:
        self.counters.changes += 1
        if self._on_change is None:
            return
        try:
            self._on_change(change)
        except Exception:  # the boundary: a listener's mistake must not stop the copy
            self.counters.callback_failures += 1
            log.exception("listener_failed", path=self.path, kind=change.kind, key=change.key)

    async def _ask_when_quiet(self) -> None:
        """An idle watch and a dead server look alike: any answer tells them apart."""
        quiet = self._pace.quiet_seconds
        while True:
            await asyncio.sleep(max(quiet - self.seconds_since_heard, quiet / 10))
            if self._at.is_watching and self.seconds_since_heard >= quiet:
                with suppress(HaiError):
                    await self._client.get("/version")


def _key_of(item: Json) -> Key:
    metadata = item.get("metadata") if isinstance(item, dict) else None
    if isinstance(metadata, dict):
        key = metadata.get("namespace", ""), metadata.get("name")
        if isinstance(key[0], str) and isinstance(key[1], str):
            return key[0], key[1]
    raise Unavailable("the Kubernetes API server sent an object without a name")


def _uid(item: Json) -> object:
    return item["metadata"].get("uid")


def _is_same(known: Json, item: Json) -> bool:
    """The same state of the same object. Versions are only comparable for equality."""
    one, other = known["metadata"], item["metadata"]
    return bool(
        one.get("resourceVersion") == other.get("resourceVersion")
        and one.get("uid") == other.get("uid")
    )
