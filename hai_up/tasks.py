"""What becomes of tasks when a platform goes down: suspended, or stopped for good. By the API.

`python -m hai_up.tasks vacate SECONDS` and `... stop` do it from inside a cluster, with the server
of HAI_SERVER__URL and the token of HAI_TOKEN.
"""

import os
import sys
from collections.abc import Callable
from functools import partial

from hai.errors import HaiError
from hai_up.api import PATIENT_SECONDS, Api
from hai_up.process import wait_until

STOP_SECONDS = 30.0
NAMED = 20  # tasks, at most
Say = Callable[[str], None]


def vacate_tasks(api: Api, seconds: float, say: Say) -> None:
    """Tasks save and go back to their line, as far as the server still answers. Whoever interrupts
    this gets a platform that goes on."""
    try:
        running = api.running(NAMED)
        active = api.vacate()
        if active:
            say(f"suspending {_tasks(active)}, to go on at the next hai-up run")
            _name(running, active, say)
        if active and not wait_until(lambda: api.vacate() == 0, seconds, step_seconds=0.2):
            say(f"some tasks have not saved within {seconds:.0f} s")
    except HaiError as error:
        say(f"warning: tasks cannot be suspended: {error.message}")
    except KeyboardInterrupt:
        _go_on(api, say)
        raise


def _name(running: list[str], count: int, say: Say) -> None:
    for task in running:
        say(f"  {task}")
    if count > len(running):
        say(f"  and {count - len(running):,} more")


def _go_on(api: Api, say: Say) -> None:
    try:
        api.go_on()
        say("the platform goes on")
    except HaiError as error:
        say(f"the platform goes on in some seconds: {error.message}")


def stop_tasks(api: Api, say: Say) -> None:
    """All tasks are stopped, with a line for each second of progress; gives up when there has been
    none for STOP_SECONDS."""
    try:
        running = api.running(NAMED)
        left = sum(api.stop_all())
        if left:
            say(f"stopping {_tasks(left)}")
            _name(running, left, say)
        while left:
            stopped = partial(_fewer, api, left)
            if not wait_until(stopped, STOP_SECONDS, step_seconds=0.2):
                say(f"{_tasks(left)} did not stop within {STOP_SECONDS:.0f} s")
                return
            left = sum(api.stop_all())
            if left:
                say(f"{_tasks(left)} to go")
    except HaiError as error:
        say(f"warning: tasks cannot be stopped by the server: {error.message}")


def _fewer(api: Api, before: int) -> bool:
    return sum(api.stop_all()) < before


def _tasks(count: int) -> str:
    return f"{count:,} task{'' if count == 1 else 's'}"


def main(words: list[str]) -> None:
    """Inside a cluster."""

    def say(text: str) -> None:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()

    url, token = os.environ["HAI_SERVER__URL"], os.environ["HAI_TOKEN"]
    with Api(url, token, timeout_seconds=PATIENT_SECONDS) as api:
        match words:
            case ["vacate", seconds]:
                vacate_tasks(api, float(seconds), say)
            case ["stop"]:
                stop_tasks(api, say)
            case ["go-on"]:
                api.go_on()
            case _:
                raise SystemExit("vacate SECONDS, stop or go-on")


if __name__ == "__main__":
    main(sys.argv[1:])
