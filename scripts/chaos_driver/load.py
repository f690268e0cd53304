"""A steady mix of tasks of several users, and what must become of each."""

import os
import random
import threading
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import httpx2

from scripts.chaos_driver.kinds import KINDS, STOPPED, Outcome
from scripts.chaos_driver.programs import has_control_groups
from scripts.chaos_driver.site import LocalSite

USERS = ("ada", "bob", "eve")
FIRST_UID = 64331  # accounts that exist nowhere; used by root's platform only
MOST_UNFINISHED = 14
UNFINISHED = ("queued", "starting", "running", "suspending", "suspended", "stopping")
Query = dict[str, str | int | tuple[str, ...]]


@dataclass
class Asked:
    """One task that was accepted, and the ends that are right: state and exit code."""

    id: int
    user: str
    nodes: int
    kind: str
    allowed: set[Outcome]
    was_cut_off: bool = False  # nobody can end what is paused behind a cut link


class Load:
    """Submits in a thread of its own until it is stopped. A client that does not give up: a submit
    whose answer was lost is repeated under the same request id."""

    def __init__(self, site: LocalSite, chance: random.Random) -> None:
        self._site = site
        self._chance = chance
        self._is_over = threading.Event()
        self._is_abandoned = threading.Event()
        self._thread = threading.Thread(target=self._go, name="load")
        self._count = 0
        self.kinds = dict(KINDS)
        if site.needs_control_groups and not has_control_groups():
            del self.kinds["hidden"]
        self.tokens: dict[str, str] = {}
        self.asked: dict[int, Asked] = {}
        self.refused: list[str] = []  # what was refused though it was right

    def start(self) -> None:
        with self._site.client() as admin:
            for number, user in enumerate(USERS):
                uid = FIRST_UID + number if os.getuid() == 0 else None
                reply = admin.post("/users", json={"name": user, "uid": uid})
                self.tokens[user] = reply.raise_for_status().json()["token"]["token"]
        self._thread.start()

    def stop(self) -> None:
        """No more is submitted; what has been begun is finished first."""
        self._is_over.set()
        self._thread.join()

    def abandon(self) -> None:
        """End at once: the platform may never answer again."""
        self._is_abandoned.set()
        self._is_over.set()
        if self._thread.is_alive():
            self._thread.join()

    def let_run(self, seconds: float) -> None:
        """Leave it alone for a while."""
        self._is_over.wait(seconds)

    def allow(self, task_id: int, *outcomes: Outcome) -> None:
        """A fault may end this task so; an unknown one is an array's member not yet listed."""
        task = self.asked.get(task_id)
        if task is not None:
            task.allowed.update(outcomes)

    def cut_off(self, task_id: int) -> None:
        """A worker of it may be there, unseen and paused, while the next attempt runs."""
        task = self.asked.get(task_id)
        if task is not None:
            task.was_cut_off = True

    def submit(self, name: str, parameters: str, *outcomes: Outcome, **more: Any) -> list[int]:
        """One task more, of the first user; a fault asks for it in the fault's own thread. It has a
        name of its own: the last one of its kind may still be on its way."""
        document = {
            "version": 2,
            "name": f"{name}-{uuid.uuid4().hex[:8]}",
            "priority": "NORMAL",
            "spec": self._spec("work.py", parameters),
            "resource": {"group": self._site.group, "node_count": 1, **more},
            "options": {},
            "request_id": uuid.uuid4().hex,
        }
        with self._site.client(self.tokens[USERS[0]]) as client:
            ids = self._accepted(client, document)
        for task_id in ids:
            self.asked[task_id] = Asked(task_id, USERS[0], 1, name, set(outcomes))
        return ids

    def stop_tasks(self, ids: list[int]) -> None:
        """Those of the first user."""
        with self._site.client(self.tokens[USERS[0]]) as client:
            for task_id in ids:
                self._ask(partial(client.post, f"/tasks/{task_id}/stop", json={}))

    def _go(self) -> None:
        clients = {user: self._site.client(token) for user, token in self.tokens.items()}
        while not self._is_over.is_set():
            user = self._chance.choice(USERS)
            if self._is_full(clients[user]):
                self._is_over.wait(0.3)
            else:
                self._submit_one(clients[user], user)
                self._meddle(clients)
                self._is_over.wait(self._chance.uniform(0.0, 0.6))
        for client in clients.values():
            client.close()

    def _ask(self, ask: Callable[[], httpx2.Response]) -> httpx2.Response | None:
        """The first answer that is not "not now"; None when the run was abandoned."""
        while not self._is_abandoned.is_set():
            try:
                reply = ask()
                if reply.status_code < 500:
                    return reply
            except httpx2.HTTPError:
                pass
            self._is_abandoned.wait(0.2)
        return None

    def _is_full(self, client: httpx2.Client) -> bool:
        query: Query = {"user": "all", "state": UNFINISHED, "page_size": 1}
        reply = self._ask(lambda: client.get("/tasks", params=query))
        return reply is None or int(reply.json()["total"]) >= MOST_UNFINISHED

    def _submit_one(self, client: httpx2.Client, user: str) -> None:
        name = self._chance.choices(list(self.kinds), [k.weight for k in self.kinds.values()])[0]
        kind = self.kinds[name]
        nodes, code = self._chance.choice(kind.nodes), self._chance.choice(kind.codes)
        self._count += 1
        document = {
            "version": 2,
            "name": f"{name}-{self._count}",
            "priority": self._chance.choice(kind.levels),
            "spec": self._spec(
                kind.entrypoint, f"{kind.mode} {self._chance.randint(*kind.steps)} {code}"
            ),
            "resource": {"group": self._site.group, "node_count": nodes},
            "options": dict(kind.options),
            "request_id": uuid.UUID(int=self._chance.getrandbits(128)).hex,
        }
        outcome = kind.outcome or ("failed" if code else "succeeded", code)
        for task_id in self._accepted(client, document):
            self.asked[task_id] = Asked(task_id, user, nodes, name, {outcome})

    def _spec(self, entrypoint: str, parameters: str) -> dict[str, Any]:
        return {
            "entrypoint": entrypoint,
            "workspace": str(self._site.work),
            "parameters": parameters,
            "entrypoint_executable": entrypoint == "work.py",
        }

    def _accepted(self, client: httpx2.Client, document: dict[str, Any]) -> list[int]:
        """Ids of the new tasks."""
        reply = self._ask(lambda: client.post("/tasks", json=document))
        if reply is None:
            return []
        if reply.status_code != 201:
            self.refused.append(f"{document['name']}: {reply.status_code} {reply.text[:200]}")
            return []
        view = reply.json()
        first, size = int(view["id"]), int(view["array_size"] or 1)
        return list(range(first, first + size))

    def _meddle(self, clients: Mapping[str, httpx2.Client]) -> None:
        """Now and then somebody stops, or suspends and resumes, what is theirs."""
        draw = self._chance.random()
        if draw > 0.12 or not self.asked:
            return
        task = self._chance.choice(list(self.asked.values())[-8:])
        client = clients[task.user]
        if draw < 0.06:
            task.allowed.add(STOPPED)
            self._ask(lambda: client.post(f"/tasks/{task.id}/stop", json={}))
            return
        self._ask(lambda: client.post(f"/tasks/{task.id}/suspend", json={}))
        self._is_over.wait(self._chance.uniform(0.0, 1.5))
        self._ask(lambda: client.post(f"/tasks/{task.id}/resume", json={}))
