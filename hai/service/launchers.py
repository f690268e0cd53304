"""All launchers by name, asked together: one that does not answer costs the others nothing.

What runs where a launcher is silent is *unknown*, and unknown is never lost. A launcher that hangs
is not asked a second time while the first question is open, so nothing piles up behind it.
"""

import asyncio
from collections.abc import Coroutine, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

import structlog

from hai.core.task import WorkerKey
from hai.core.types import NodeName
from hai.errors import HaiError, Unavailable
from hai.ports import Launcher, Observation

log = structlog.get_logger("hai.launchers")

_T = TypeVar("_T")

PATIENCE_SECONDS = 8.0  # for one answer; SIGKILL may take 5 s to show


class Sighting(NamedTuple):
    """One worker, and who sees it."""

    launcher: Launcher
    observation: Observation


@dataclass(frozen=True, slots=True)
class LaunchersReport:
    """What the launchers told in one look. `silent` are those that did not answer, with the reason;
    `unknown_nodes` are theirs. A worker on such a node may run or not."""

    workers: Mapping[WorkerKey, Sighting]
    silent: Mapping[str, str] = field(default_factory=dict)
    unknown_nodes: frozenset[NodeName] = frozenset()


class Launchers:
    """The registry. `patience_seconds` of the event loop's clock are waited for one answer."""

    def __init__(
        self, launchers: Mapping[str, Launcher], patience_seconds: float = PATIENCE_SECONDS
    ) -> None:
        self._launchers = launchers
        self._patience_seconds = patience_seconds
        self._looks: dict[str, tuple[asyncio.Task[list[Observation]], float]] = {}  # since when
        self._works: dict[tuple[str, str, WorkerKey], asyncio.Task[None]] = {}

    def get(self, name: str) -> Launcher | None:
        return self._launchers.get(name)

    def __iter__(self) -> Iterator[Launcher]:
        return iter(self._launchers.values())

    async def look(self) -> LaunchersReport:
        """Ask all of them at once; takes as long as the slowest, at most the patience."""
        names = list(self._launchers)
        answers = await asyncio.gather(*(self._ask(name) for name in names))
        workers: dict[WorkerKey, Sighting] = {}
        silent: dict[str, str] = {}
        for name, answer in zip(names, answers, strict=True):
            if isinstance(answer, str):
                silent[name] = answer
                continue
            for observation in answer:
                workers[observation.key] = Sighting(self._launchers[name], observation)
        return LaunchersReport(workers, silent)

    async def silence_of(self, name: str) -> str:
        """Why the launcher of that name does not tell what runs; empty when it does."""
        if name not in self._launchers:
            return f"there is no launcher {name!r}"
        answer = await self._ask(name)
        return answer if isinstance(answer, str) else ""

    async def do(self, what: str, launcher: Launcher, key: WorkerKey) -> None:
        """`kill` or `forget` a worker. Unavailable while that takes longer than the patience: it
        goes on, and asking again does not start it a second time."""
        calls = {"kill": launcher.kill, "forget": launcher.forget}
        of = (what, launcher.name, key)
        known = self._works.get(of)
        work = known or _spawn(calls[what](key), f"{what}-{launcher.name}-{key}")
        self._works[of] = work
        # whoever asks again looks only whether it is done by now
        done, _ = await asyncio.wait({work}, timeout=0 if known else self._patience_seconds)
        if not done:
            raise Unavailable(f"the launcher {launcher.name} does not answer")
        if self._works.get(of) is work:
            del self._works[of]
        work.result()

    async def _ask(self, name: str) -> list[Observation] | str:
        """The observations, or why there are none."""
        try:
            return await self._observe(name)
        except HaiError as error:
            reason = error.message
        except Exception as error:  # the boundary: one broken launcher must not blind the others
            log.exception("launcher_failed", launcher=name)
            reason = repr(error)
        log.warning("launcher_silent", launcher=name, error=reason)
        return reason

    async def _observe(self, name: str) -> list[Observation]:
        """A fresh answer: an earlier one may not know of what was launched since."""
        now = asyncio.get_running_loop().time()
        while (known := self._looks.get(name)) is not None:
            look, since = known
            # one that has had its time already is not waited for again by every run of every loop
            await self._wait(look, since + self._patience_seconds - now, name)
            if self._looks.get(name) == known:
                del self._looks[name]
            now = asyncio.get_running_loop().time()
        look = _spawn(self._launchers[name].observe(), f"observe-{name}")
        known = self._looks[name] = (look, now)
        await self._wait(look, self._patience_seconds, name)
        if self._looks.get(name) == known:
            del self._looks[name]
        return look.result()

    async def _wait(self, look: asyncio.Task[list[Observation]], seconds: float, name: str) -> None:
        done, _ = await asyncio.wait({look}, timeout=max(0.0, seconds))
        if not done:
            waited = f"{self._patience_seconds:g} s"
            raise Unavailable(f"the launcher {name} has not answered for more than {waited}")


def _spawn(work: Coroutine[Any, Any, _T], name: str) -> asyncio.Task[_T]:
    task = asyncio.create_task(work, name=name)
    task.add_done_callback(_take_note)
    return task


def _take_note(task: asyncio.Task[Any]) -> None:
    """Nobody may be waiting any more; an exception that nobody asks for would be a warning."""
    if not task.cancelled():
        task.exception()
