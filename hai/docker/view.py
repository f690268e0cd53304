"""A copy of our containers that follows the engine: a list, then its events, and from time to time
the list again, which also proves that the engine still answers."""

import asyncio
import contextlib
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import structlog

from hai.docker.client import DockerClient
from hai.errors import HaiError, Unavailable

log = structlog.get_logger("hai.docker.view")

LIST_SECONDS = 10.0  # from one list to the next
SILENT_SECONDS = 25.0  # without a word of the engine, and nothing can be said any more
_SYNC_SECONDS = 5.0  # for the first list
_LONGEST_PAUSE_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Container:
    """`state` in the engine's words: created, running, paused, restarting, removing, exited, dead.
    `is_cut_off`: it ran when the engine was last heard, and not any more when it was back.
    `is_leaving`: it was sent SIGTERM, by an engine that stops or by somebody's docker stop."""

    id: str
    name: str
    labels: Mapping[str, str] = field(default_factory=dict)
    state: str = "created"
    is_cut_off: bool = False
    is_leaving: bool = False

    @property
    def is_over(self) -> bool:
        return self.state in ("exited", "dead")


_SIGTERM = "15"
_STATES = {"create": "created", "start": "running", "die": "exited", "unpause": "running"}


class ContainerView:
    """`label` is "name=value", which our containers carry. `on_gone` is told of those that others
    removed, `on_leaving` of those that were asked to leave; both must be quick."""

    def __init__(
        self,
        client: DockerClient,
        label: str,
        on_gone: Callable[[Container], None],
        on_leaving: Callable[[Container], None] = lambda _: None,
    ) -> None:
        self._client = client
        self._label = label
        self._on_gone = on_gone
        self._on_leaving = on_leaving
        self._items: dict[str, Container] = {}  # by name
        self._changes = 0
        self._changed_at: dict[str, int] = {}  # names that events told of, since the last list
        self._synced = asyncio.Event()
        self._jobs: list[asyncio.Task[None]] = []
        self._why = "it does not answer"

    async def start(self) -> None:
        if not self._jobs:
            self._jobs = [asyncio.create_task(self._follow(), name="docker-events")]

    async def close(self) -> None:
        """The copy stays as it is."""
        jobs, self._jobs = self._jobs, []
        for job in jobs:
            job.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await job

    async def require(self) -> None:
        """Unavailable when the copy is not complete, or nobody knows whether it still holds."""
        if not self._synced.is_set():
            try:
                await asyncio.wait_for(self._synced.wait(), _SYNC_SECONDS)
            except TimeoutError:
                raise Unavailable(self._why) from None
        silent = self._client.seconds_since_heard
        if silent > SILENT_SECONDS:
            raise Unavailable(
                f"the Docker engine at {self._client.socket} has been silent for {silent:.0f} s",
                hint="try: docker info",
            )

    def all(self) -> list[Container]:
        return list(self._items.values())

    def get(self, name: str) -> Container | None:
        return self._items.get(name)

    def note(self, container: Container) -> None:
        """What we did ourselves, before its event comes."""
        self._touch(container.name)
        self._items[container.name] = container

    def drop(self, name: str) -> None:
        """We removed it ourselves."""
        self._touch(name)
        self._items.pop(name, None)

    # following

    async def _follow(self) -> None:
        pause = 0.05
        while True:
            began = time.monotonic()
            try:
                await self._follow_once()
            except HaiError as error:
                if self._synced.is_set():
                    log.warning("engine_lost", error=error.message)
                self._why = error.message
            self._synced.clear()
            self._client.forget_version()
            if time.monotonic() - began > _LONGEST_PAUSE_SECONDS:
                pause = 0.05
            await asyncio.sleep(pause * (0.5 + random.random()))  # noqa: S311 - no secret
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)

    async def _follow_once(self) -> None:
        """Until the stream breaks or a list fails. The stream is open before the list is asked for,
        so that nothing falls between them."""
        filters = {"type": ["container"], "label": [self._label]}
        async with self._client.lines(
            "GET", "/events", idle_seconds=None, filters=filters
        ) as events:
            reader = asyncio.create_task(self._read(events), name="docker-events-read")
            try:
                await self._list(is_first=True)
                self._synced.set()
                while not reader.done():
                    await asyncio.wait({reader}, timeout=LIST_SECONDS)
                    if not reader.done():
                        await self._list()
                await reader
                raise Unavailable(f"the Docker engine at {self._client.socket} went away")
            finally:
                reader.cancel()
                with contextlib.suppress(asyncio.CancelledError, HaiError):
                    await reader

    async def _read(self, events: Any) -> None:
        async for event in events:
            self._apply(event)

    def _apply(self, event: Mapping[str, Any]) -> None:
        actor = event.get("Actor") or {}
        told = dict(actor.get("Attributes") or {})
        name, action = str(told.get("name", "")), str(event.get("Action", ""))
        known = self._items.get(name)
        if known is not None and known.id != actor.get("ID"):
            if action == "destroy":
                return  # an earlier one of that name
            known = None
        if action == "destroy":
            self._touch(name)
            self._lose(name)
        elif action == "kill" and told.get("signal") == _SIGTERM and known is not None:
            self._touch(name)
            self._items[name] = replace(known, is_leaving=True)
            self._on_leaving(self._items[name])
        elif action in _STATES:
            self._touch(name)
            base = known or Container(str(actor.get("ID", "")), name, told)
            if not (base.is_over and action == "create"):
                self._items[name] = replace(base, state=_STATES[action])

    async def _list(self, *, is_first: bool = False) -> None:
        before = self._changes
        filters = {"label": [self._label]}
        listed = await self._client.get("/containers/json", all=True, filters=filters)
        found = {one.name: one for one in map(_listed, listed)}
        for name in self._items.keys() - found.keys():
            if not self._is_newer(name, before):
                self._lose(name)
        for name, one in found.items():
            if self._is_newer(name, before):
                continue
            known = self._items.get(name)
            if known is not None and known.id == one.id:
                was_cut_off = is_first and not known.is_over and one.is_over
                is_cut_off = known.is_cut_off or was_cut_off
                one = replace(one, is_cut_off=is_cut_off, is_leaving=known.is_leaving)
            self._items[name] = one
        self._changed_at = {n: at for n, at in self._changed_at.items() if at > before}

    def _lose(self, name: str) -> None:
        gone = self._items.pop(name, None)
        if gone is not None:
            self._on_gone(gone)

    def _touch(self, name: str) -> None:
        self._changes += 1
        self._changed_at[name] = self._changes

    def _is_newer(self, name: str, than: int) -> bool:
        return self._changed_at.get(name, 0) > than


def _listed(item: Mapping[str, Any]) -> Container:
    names = item.get("Names") or [""]
    return Container(
        id=str(item["Id"]),
        name=str(names[0]).lstrip("/"),
        labels=item.get("Labels") or {},
        state=str(item.get("State", "")),
    )
