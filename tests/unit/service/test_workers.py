"""An agent that was heard by a server which cannot answer it."""

import pytest

from hai.core.types import TaskId
from hai.errors import Unavailable
from hai.schema.agent import AgentReport
from hai.service.signals import worker_key
from hai.service.workers import WorkerTokens
from tests.unit.service.loop_bench import LoopBench, key_of


def report_of(task_id: TaskId) -> AgentReport:
    return {
        "key": str(key_of(task_id)),
        "phase": "running",
        "exit_code": None,
        "detail": "",
        "acked": False,
        "saved": False,
        "address": "",
        "port": 0,
        "usage": {},
        "requests": [],
        "seen": "",
        "wait_seconds": 0.0,
    }


async def test_an_error_says_that_the_agent_was_heard(
    bench: LoopBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its program need not pause: who decides about it knows of the contact."""
    task_id = await bench.running()
    await bench.clock.advance(1000.0)

    async def fail(*_: object) -> None:
        raise Unavailable("the database does not answer", retry_after_seconds=3.0)

    monkeypatch.setattr(bench.store, "tasks", fail)
    with pytest.raises(Unavailable, match="does not answer") as raised:
        await bench.workers.sync(report_of(task_id), WorkerTokens(b"secret"))
    assert raised.value.details == {"heard": True}
    assert raised.value.retry_after_seconds == 3.0
    name = worker_key(key_of(task_id))
    assert name in await bench.bus.get_live([name])
