"""The loops have connections to the database of their own: what the API's readers do to theirs
does not stop them."""

import asyncio
import threading

import httpx2
import psycopg
import pytest

from hai.core.node import NodeHealth
from hai.core.task import EventDraft
from hai.core.types import NodeName
from hai.service.clock import SystemClock
from hai.store.open import open_store
from tests.acceptance.conftest import MakeLive
from tests.live import Live
from tests.waiting import PATIENCE_SECONDS, wait_until

pytestmark = [pytest.mark.acceptance, pytest.mark.xdist_group("loops_apart")]


def asks(live: Live, number: int, answers: list[int]) -> None:
    """With a token that the server has never seen, and has to look up."""
    token = f"{live.tokens['root'][:-4]}{number:04}"
    headers = {"Authorization": f"Bearer {token}"}
    reply = httpx2.get(f"{live.url}/api/v1/whoami", headers=headers, timeout=PATIENCE_SECONDS)
    answers.append(reply.status_code)


async def set_health(live: Live, health: NodeHealth) -> None:
    """As another process of the platform does: with the event that the scheduler reads."""
    store = open_store(live.database_url, 1, may_lead=False)
    await store.open()
    event = EventDraft(kind=f"node.{health.value}", actor="test", at=SystemClock().now())
    assert await store.set_node_health(NodeName("training-0"), health, "", event)
    await store.close()


def test_an_api_without_connections_does_not_stop_the_scheduler(make_live: MakeLive) -> None:
    """All of the API's connections wait for a lock that somebody holds; a task is started."""
    live = make_live(nodes=1, settings={"HAI_STORE__POOL_SIZE": "2"})
    live.script("done.py", "print('done')\n")
    answers: list[int] = []
    with psycopg.connect(live.database_url, autocommit=True) as database:
        asyncio.run(set_health(live, NodeHealth.DRAINED))
        task = live.submit(name="done.py")

        def state() -> str:
            row = database.execute("SELECT state FROM tasks WHERE id = %s", (task,)).fetchone()
            assert row is not None
            return str(row[0])

        assert state() == "queued"
        with psycopg.connect(live.database_url) as holder:
            holder.execute("LOCK TABLE tokens IN ACCESS EXCLUSIVE MODE")
            askers = [
                threading.Thread(target=asks, args=(live, number, answers)) for number in range(12)
            ]
            for asker in askers:
                asker.start()
            wait_until(lambda: 503 in answers, what="an API without connections")
            assert state() == "queued"
            asyncio.run(set_health(live, NodeHealth.READY))
            wait_until(lambda: state() != "queued", what="the start of the task")
            assert 200 not in answers
            holder.rollback()
        for asker in askers:
            asker.join()
    assert live.wait(task, "succeeded")["state"] == "succeeded"
