"""`hai-up down`: tasks are suspended and kept; `--purge` ends and removes everything."""

import shutil
from functools import partial
from pathlib import Path

from hai.errors import HaiError
from hai.launcher.worker_dir import remove_tree
from hai_up.api import Api
from hai_up.console import ask
from hai_up.database import database_of
from hai_up.files import os_error, read_text, remove_stale
from hai_up.layout import Layout
from hai_up.plan import url_of
from hai_up.process import Process, find_server, locked, stop_process, wait_until
from hai_up.profile import profile_path, remove_profile
from hai_up.providers.local import Say
from hai_up.state import State, load_state
from hai_up.studio import stop_studio
from hai_up.workers import end_workers, live_agents

SERVER_SECONDS = 30.0
STOP_SECONDS = 30.0


def down(layout: Layout, *, seconds: float, say: Say) -> None:
    """Suspend what runs (for at most `seconds`), then stop the server and its database."""
    state = load_state(layout)
    if state is None:
        say(f"nothing runs in {layout.root}: hai-up has not been used there")
        return
    with locked(layout, say):
        server = find_server(layout)
        if server:
            _vacate(state, seconds, say)
        was_running = _stop(layout, state, server, say)
    agents = len(live_agents(layout))
    if agents:
        say(f"{agents} worker(s) run on without the server; the next hai-up run picks them up")
    say(f"stopped; data is kept in {layout.root}" if was_running else "it was not running")


def purge(layout: Layout, *, is_sure: bool, say: Say) -> None:
    """End everything and remove the data folder, after asking for its name."""
    state = load_state(layout)
    if state is None:
        say(f"nothing to remove: {layout.root} is not a data folder of HAI")
        return
    say(f"this ends all tasks and removes {layout.root} with all tasks, logs and users")
    if state.database_url:
        say("the tables in the database that you gave are not touched")
    name = layout.root.name
    if not is_sure and not ask(f"type the folder's name ({name}) to go on: ", name):
        say("nothing was changed")
        return
    with locked(layout, say):
        server = find_server(layout)
        if server:
            _stop_tasks(state, say)
        _stop(layout, state, server, say)
        ended = end_workers(layout, seconds=10)
        if ended:
            say(f"workers ended: {ended}")
        _remove_profile(state, say)
        _remove(layout)
    say(f"removed {layout.root}")


def _remove_profile(state: State, say: Say) -> None:
    try:
        path = profile_path()
        done = remove_profile(path, url_of(state.host, state.port), state.replaced_profile)
    except HaiError as error:
        done = f"warning: {error.message}"
    if done:
        say(done)


def _remove(layout: Layout) -> None:
    """The folder, and the socket's folder if that had to be somewhere else."""
    elsewhere = Path(read_text(layout.postgres / "socket_dir") or "")
    try:
        if elsewhere.name.startswith("hai-pg-"):
            shutil.rmtree(elsewhere, ignore_errors=True)
        remove_tree(layout.root)
    except OSError as error:
        raise os_error(f"can not remove {layout.root}", error) from error


def _stop(layout: Layout, state: State, server: Process | None, say: Say) -> bool:
    """Stop Studio, server and database. True if any of them ran."""
    had_studio = stop_studio(layout)
    if server and not stop_process(server, seconds=SERVER_SECONDS):
        say(f"the server did not leave within {SERVER_SECONDS:.0f} s and was killed")
    remove_stale(layout.pid)
    database = database_of(layout, state.database_url)
    had_database = database.kind == "embedded" and database.is_running()
    if had_database:
        database.stop()
    return bool(server) or had_database or had_studio


def _vacate(state: State, seconds: float, say: Say) -> None:
    """Tasks save and go back to their line, as far as the server still answers. Whoever interrupts
    this gets a platform that goes on."""
    with Api(url_of(state.host, state.port), state.token) as api:
        try:
            active = api.vacate()
            if active:
                say(f"suspending {_tasks(active)}, to go on at the next hai-up run")
            if active and not wait_until(lambda: api.vacate() == 0, seconds, step_seconds=0.2):
                say(f"some tasks have not saved within {seconds:.0f} s")
        except HaiError as error:
            say(f"warning: tasks can not be suspended: {error.message}")
        except KeyboardInterrupt:
            _go_on(api, say)
            raise


def _go_on(api: Api, say: Say) -> None:
    try:
        api.go_on()
        say("the platform goes on")
    except HaiError as error:
        say(f"the platform goes on in some seconds: {error.message}")


def _tasks(count: int) -> str:
    return f"{count:,} task{'' if count == 1 else 's'}"


def _stop_tasks(state: State, say: Say) -> None:
    """All tasks are stopped, with a line for each second of progress; gives up when there has been
    none for STOP_SECONDS."""
    try:
        with Api(url_of(state.host, state.port), state.token, timeout_seconds=60) as api:
            left = sum(api.stop_all())
            if left:
                say(f"stopping {_tasks(left)}")
            while left:
                stopped = partial(_fewer, api, left)
                if not wait_until(stopped, STOP_SECONDS, step_seconds=0.2):
                    say(f"{_tasks(left)} did not stop within {STOP_SECONDS:.0f} s")
                    return
                left = sum(api.stop_all())
                if left:
                    say(f"{_tasks(left)} to go")
    except HaiError as error:
        say(f"warning: tasks can not be stopped by the server: {error.message}")


def _fewer(api: Api, before: int) -> bool:
    return sum(api.stop_all()) < before
