"""Waiting for a condition with a deadline, instead of sleeping and hoping."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, overload

T = TypeVar("T")
What = str | Callable[[], object]  # a function says it when it is too late

# How long something may take that takes a moment on a quiet machine. It bounds how long a failing
# test takes, never how quick the machine has to be.
PATIENCE_SECONDS = 60.0
_POLL_SECONDS = 0.01


def _too_late(what: What, timeout: float) -> str:
    return f"{what() if callable(what) else what} did not come true in {timeout} s"


def wait_until(
    condition: Callable[[], T], timeout: float = PATIENCE_SECONDS, *, what: What = "the condition"
) -> T:
    """The first true value of `condition`; AssertionError after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, _too_late(what, timeout)
        time.sleep(_POLL_SECONDS)


@overload
async def async_wait_until(
    condition: Callable[[], Awaitable[T]],
    timeout: float = ...,  # noqa: ASYNC109
    *,
    what: What = ...,
) -> T: ...


@overload
async def async_wait_until(
    condition: Callable[[], T],
    timeout: float = ...,  # noqa: ASYNC109
    *,
    what: What = ...,
) -> T: ...


async def async_wait_until(
    condition: Callable[[], Any],
    timeout: float = PATIENCE_SECONDS,  # noqa: ASYNC109 (a deadline for many short awaits)
    *,
    what: What = "the condition",
) -> Any:
    """The first true value of the condition, which may be a coroutine function; AssertionError
    after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if isinstance(value, Awaitable):
            value = await value
        if value:
            return value
        assert time.monotonic() < deadline, _too_late(what, timeout)
        await asyncio.sleep(_POLL_SECONDS)
