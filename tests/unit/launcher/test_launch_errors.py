"""What a launch in a container says when it fails: to be tried again, or not."""

import pytest

from hai.core.task import WorkerKey
from hai.core.types import TaskId
from hai.errors import Conflict, Denied, HaiError, OverQuota, PlatformError, Unavailable
from hai.launcher.containers import launch_errors

KEY = WorkerKey(TaskId(7), 1, 0)


@pytest.mark.parametrize("kind", [Unavailable, OverQuota])
def test_what_passes_is_waited_for(kind: type[HaiError]) -> None:
    waits: dict[WorkerKey, str] = {}
    tried = launch_errors(KEY, waits, (Unavailable, OverQuota))
    with pytest.raises(Unavailable, match="no room") as caught, tried:
        raise kind("no room", hint="wait")
    assert caught.value.hint == "wait"
    assert waits == {KEY: "no room"}
    with launch_errors(KEY, waits, (Unavailable, OverQuota)):
        pass
    assert waits == {}


@pytest.mark.parametrize("kind", [PlatformError, Denied, Conflict])
def test_anything_else_is_for_good(kind: type[HaiError]) -> None:
    waits: dict[WorkerKey, str] = {}
    tried = launch_errors(KEY, waits, (Unavailable, OverQuota))
    with pytest.raises(PlatformError, match="never"), tried:
        raise kind("never")
    assert waits == {}
