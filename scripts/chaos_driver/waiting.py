"""Waiting from outside, and what is raised when the platform does not come back."""

import time
from collections.abc import Callable
from typing import Any


class Violation(Exception):
    """A promise was not kept."""


def wait_for(condition: Callable[[], Any], seconds: float, step_seconds: float = 0.05) -> Any:
    """The first true value; the last one when the time is over."""
    deadline = time.monotonic() + seconds
    while not (value := condition()) and time.monotonic() < deadline:
        time.sleep(step_seconds)
    return value
