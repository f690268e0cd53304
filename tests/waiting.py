"""Waiting for a condition with a deadline, instead of sleeping and hoping."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

# How long something may take that takes a moment on a quiet machine. It bounds how long a failing
# test takes, never how quick the machine has to be.
PATIENCE_SECONDS = 60.0
_POLL_SECONDS = 0.01


def wait_until(
    condition: Callable[[], T], timeout: float = PATIENCE_SECONDS, *, what: str = "the condition"
) -> T:
    """The first true value of `condition`; AssertionError after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"{what} did not come true in {timeout} s"
        time.sleep(_POLL_SECONDS)


async def async_wait_until(
    condition: Callable[[], object],
    timeout: float = PATIENCE_SECONDS,  # noqa: ASYNC109 (a deadline for many short awaits)
    *,
    what: str = "the condition",
) -> None:
    """Return once the condition, which may be a coroutine function, is true; AssertionError after
    `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if isinstance(value, Awaitable):
            value = await value
        if value:
            return
        assert time.monotonic() < deadline, f"{what} did not come true in {timeout} s"
        await asyncio.sleep(_POLL_SECONDS)
