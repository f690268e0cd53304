"""The async functions that users of the original know: create_experiment, get_experiment(s).

Standard library only and Python 3.8, because it also runs inside a task. Each call is one blocking
request in the event loop's thread pool.
"""

from __future__ import annotations

import asyncio
import functools
import json
import uuid
from typing import TYPE_CHECKING, Any

from hai.client.document import load_document
from hai.client.environments import with_environment
from hai.client.events import decode_events
from hai.client.loglines import written_by
from hai.client.plain import PlainClient, error_from_body
from hai.client.profile import load_profile
from hai.errors import InvalidInput, NotFound

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hai.client.document import Document

PAGE_SIZE = 100
# The original's names for what the view calls otherwise.
ALIASES = {
    "nb_name": "name",
    "user_name": "user",
    "created_at": "submitted_at",
    "begin_at": "started_at",
    "end_at": "ended_at",
    "queue_status": "state",
}

# The original's words for states, and what they are here.
ORIGINAL_STATES = {
    "queued": ("queued", "suspended"),
    "scheduled": ("starting", "running", "suspending", "stopping"),
    "finished": ("succeeded", "failed", "stopped"),
    "created": ("starting",),
    "building": ("starting",),
    "succeeded_terminating": ("stopping",),
    "failed_terminating": ("stopping",),
    "stopped_terminating": ("stopping", "suspending"),
}
TASK_TYPES = frozenset({"training", "jupyter"})
_ORIGINAL_FILTERS = frozenset(
    {"only_star", "select_pods", "task_type_list", "tag_list"}
    | {"worker_status_list", "queue_status_list"}
)


class Experiment:
    """One task as last seen. Attributes are the keys of the server's task view (id, name, state,
    chain_status, nodes, priority, exit_code, ...) and the original's names for them."""

    def __init__(self, view: Mapping[str, Any], client: PlainClient | None = None) -> None:
        self._view = dict(view)
        self._client = client

    def __getattr__(self, name: str) -> Any:
        view = self.__dict__.get("_view", {})
        key = ALIASES.get(name, name)
        if key not in view:
            raise AttributeError(f"an experiment has no {name!r}")
        return view[key]

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *self._view, *ALIASES})

    def __repr__(self) -> str:
        return f"<Experiment {self.id} {self.name!r} {self.state}>"

    def as_dict(self) -> dict[str, Any]:
        """The whole view, JSON data."""
        return dict(self._view)

    async def refresh(self) -> Experiment:
        """Reads the task again, in place."""
        return await self._renew("task")

    async def log(
        self, rank: Any = 0, *, attempt: int | None = None, tail: int | None = None
    ) -> str:
        """What the ranks ("0", "0,2-3", "all") have written so far, one text with line ends."""
        params = {"rank": rank, "attempt": attempt, "tail": tail}
        text: str = await _in_thread(_read_log, _client(self._client), self.id, params)
        return text

    async def stop(self, why: str = "") -> Experiment:
        return await self._renew("stop", {"why": why})

    async def suspend(self, why: str = "") -> Experiment:
        """Gives the program notice; it stays suspended until `resume`."""
        return await self._renew("suspend", {"why": why})

    async def resume(self, why: str = "") -> Experiment:
        return await self._renew("resume", {"why": why})

    async def set_priority(self, priority: Any) -> Experiment:
        """`priority`: a level's name or number."""
        level = priority if isinstance(priority, str) else int(priority)
        return await self._renew("priority", {"priority": level})

    async def _renew(self, route: str, body: Any = None) -> Experiment:
        client = _client(self._client)
        self._view.update(await _in_thread(client.call, route, body=body, ref=self.id))
        return self


async def create_experiment(document: Document, client: PlainClient | None = None) -> Experiment:
    """Submits a run document, version 2: a path, YAML or JSON text, an open text file or a mapping.

    Safe to repeat over a lost connection. Raises InvalidInput when it cannot be understood, and
    NotFound or PlatformError for an environment of haienv that is not there or broken.
    """
    loaded, chosen = load_document(document), _client(client)
    body = await _in_thread(with_environment, loaded, ask=chosen.call)
    body.setdefault("request_id", uuid.uuid4().hex)
    return Experiment(await _in_thread(chosen.call, "submit", body=body), chosen)


create_experiment_v2 = create_experiment


async def get_experiment(
    name_or_id: Any = None, client: PlainClient | None = None, **named: Any
) -> Experiment:
    """By name (the caller's newest of it), id or chain id; also as name=, id= or chain_id=."""
    reference = str(_reference(name_or_id, named))
    chosen = _client(client)
    try:
        return Experiment(await _in_thread(chosen.call, "task", ref=reference), chosen)
    except NotFound:
        view = await _in_thread(_find_chain, chosen, reference)
        if view is None:
            raise
        return Experiment(view, chosen)


async def get_experiments(
    page: int = 1,
    page_size: int = PAGE_SIZE,
    *,
    nb_name_pattern: str | None = None,
    state: list[str] | None = None,
    group: str | None = None,
    user: str | None = None,
    client: PlainClient | None = None,
    **original: Any,
) -> tuple[int, list[Experiment]]:
    """How many there are, and one page of them, newest first.

    `original`: the filters of the original's client, as far as HAI has what they ask for: its
    worker_status_list and queue_status_list become states, select_pods changes nothing, and for
    tags and stars, which HAI does not keep, it raises InvalidInput.
    """
    params = {
        "page": page,
        "page_size": page_size,
        "name": nb_name_pattern,
        "state": state or _original_states(original),
        "group": group,
        "user": user,
        "task_type": _original_type(original),
    }
    chosen = _client(client)
    answer = await _in_thread(chosen.call, "tasks", params=params)
    return answer["total"], [Experiment(view, chosen) for view in answer["tasks"]]


def _original_states(filters: Mapping[str, Any]) -> list[str] | None:
    """States that both of the original's lists allow; None: all. TypeError for unknown filters."""
    unknown = set(filters) - _ORIGINAL_FILTERS
    if unknown:
        raise TypeError(f"get_experiments got an unexpected argument {min(unknown)!r}")
    if filters.get("only_star") or filters.get("tag_list"):
        raise InvalidInput(
            "HAI keeps no stars and no tags to choose by", hint="choose by nb_name_pattern or state"
        )
    chosen: list[str] | None = None
    for name in ("queue_status_list", "worker_status_list"):
        words = filters.get(name) or []
        if words:
            states = [state for word in words for state in ORIGINAL_STATES.get(word, (word,))]
            chosen = [state for state in states if chosen is None or state in chosen]
    if chosen == []:
        raise InvalidInput("no task can be in both lists of states", hint="give one of the lists")
    return chosen


def _reference(positional: Any, named: Mapping[str, Any]) -> Any:
    given = [value for value in (positional, *named.values()) if value is not None]
    unknown = set(named) - {"name", "id", "chain_id"}
    if unknown or len(given) != 1:
        raise TypeError("get_experiment takes one of: name, id, chain_id")
    return given[0]


def _original_type(filters: Mapping[str, Any]) -> str | None:
    """The one type that the original's list leaves; None: any."""
    named = set(filters.get("task_type_list") or TASK_TYPES)
    types = named & TASK_TYPES
    if not types:
        raise InvalidInput(
            f"HAI has no tasks of type {', '.join(sorted(map(str, named)))}",
            hint=f"types are {', '.join(sorted(TASK_TYPES))}; leave out task_type_list for all",
        )
    return None if types == TASK_TYPES else str(min(types))


def _find_chain(client: PlainClient, chain_id: str) -> dict[str, Any] | None:
    before = None
    while True:
        params = {"user": "all", "before": before, "page_size": PAGE_SIZE}
        answer = client.call("tasks", params=params)
        for view in answer["tasks"]:
            if view["chain_id"] == chain_id:
                return dict(view)
        before = answer.get("next")
        if before is None:
            return None


def _read_log(client: PlainClient, ref: int, params: Mapping[str, Any]) -> str:
    status, raw = client.exchange("logs", params=params, ref=ref)
    if status != 200:
        raise error_from_body(status, json.loads(raw), "the server")
    written: list[bytes] = []
    for event in decode_events([raw]):
        if event.name == "lines":
            written.extend(written_by(line) for line in event.data["lines"])
    return b"".join(written).decode("utf-8", "replace")


def _client(given: PlainClient | None) -> PlainClient:
    return PlainClient(load_profile()) if given is None else given


async def _in_thread(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    call = functools.partial(function, *args, **kwargs)
    return await asyncio.get_running_loop().run_in_executor(None, call)
