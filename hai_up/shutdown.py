"""`hai-up down`: tasks are suspended and kept; `--purge` ends and removes everything."""

import shutil
from pathlib import Path

from hai.errors import HaiError
from hai.launcher.worker_dir import remove_tree
from hai_up.api import PATIENT_SECONDS, Api
from hai_up.console import ask
from hai_up.database import database_of
from hai_up.files import os_error, read_text, remove_stale
from hai_up.layout import Layout
from hai_up.plan import url_of
from hai_up.process import Process, find_server, locked, stop_process
from hai_up.profile import profile_path, remove_profile
from hai_up.providers.local import Say
from hai_up.state import State, load_state
from hai_up.studio import stop_studio
from hai_up.tasks import stop_tasks, vacate_tasks
from hai_up.workers import end_workers, live_agents

SERVER_SECONDS = 30.0


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
        say(f"workers that run on without the server: {agents}; the next hai-up run picks them up")
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
        raise os_error(f"cannot remove {layout.root}", error) from error


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
    url = url_of(state.host, state.port)
    with Api(url, state.token, timeout_seconds=PATIENT_SECONDS) as api:
        vacate_tasks(api, seconds, say)


def _stop_tasks(state: State, say: Say) -> None:
    url = url_of(state.host, state.port)
    with Api(url, state.token, timeout_seconds=PATIENT_SECONDS) as api:
        stop_tasks(api, say)
