"""One machine as a place to back up, restore and upgrade."""

import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from hai import __version__
from hai.errors import HaiError, NotFound, PlatformError
from hai_up.api import PATIENT_SECONDS, Api
from hai_up.backup.added import OVERRIDE, files_of
from hai_up.backup.archive import Archive, Contents
from hai_up.backup.place import Json
from hai_up.backup.programs import Child, checked, dump_by, load_by, migrate_by, started
from hai_up.choice import LOCAL
from hai_up.config import GivenOptions
from hai_up.database import database_of
from hai_up.files import read_text, remove_stale, write_private
from hai_up.plan import url_of, with_kept_keys
from hai_up.process import find_server, server_command, server_environment, stop_process
from hai_up.providers import local
from hai_up.render import render
from hai_up.state import State, load_state, save_state
from hai_up.workers import end_workers

if TYPE_CHECKING:
    from hai_up.layout import Layout

Say = Callable[[str], None]
PROVIDER = LOCAL
STATE = "hai-up.json"
_SERVER_SECONDS = 30.0
_WORKER_SECONDS = 10.0
_OPTIONS = (
    *("host", "port", "nodes", "gpus_per_node", "hollow_nodes", "user", "group", "studio"),
    *("jupyter_group", "jupyter_nodes"),
)


class LocalPlace:
    """A data folder. `given`: options for a platform that is not there yet."""

    provider = PROVIDER

    def __init__(self, given: GivenOptions, say: Say) -> None:
        self.layout: Layout = local.layout_of(given)
        self._given = replace(given, data_dir=self.layout.root)
        self._say = say
        self._undo = ExitStack()
        # The server's programs: those of this installation, unless an upgrade is taken back.
        self._python = sys.executable

    @property
    def name(self) -> str:
        return self.layout.root.name

    @property
    def state(self) -> State:
        """NotFound where there is no platform."""
        state = load_state(self.layout)
        if state is None:
            raise NotFound(f"there is no platform in {self.layout.root}", hint="hai-up run")
        return state

    def contents(self) -> Contents:
        kept = {name: getattr(self.state, name) for name in _OPTIONS}
        override = read_text(self.layout.config) or ""
        ours = local.own_settings(self._given, self.layout, self.state)
        config = {STATE: json.dumps(kept), **files_of(override, ours)}
        secrets = {
            "signing-key": (read_text(self.layout.secret) or "").strip(),
            "token": self.state.token,
            "database-url": self.state.database_url,
        }
        return Contents(PROVIDER, str(self.layout.root), config, secrets)

    def first_users(self) -> list[str]:
        return [self.state.user]

    def settings(self) -> Mapping[str, Any] | None:
        return None if load_state(self.layout) is None else local.old_settings(self.layout)

    def bring_up(self, archive: Archive) -> None:
        is_known = archive.manifest.provider == PROVIDER and load_state(self.layout) is None
        if is_known:
            self._take_options(archive)
        local.run(self._given, self._say)
        self._given = GivenOptions(data_dir=self.layout.root)
        if is_known:
            self._take_settings(archive)

    def _take_options(self, archive: Archive) -> None:
        """What was said now wins."""
        kept = json.loads(archive.config(STATE) or "{}")
        missing = {
            name: value
            for name, value in kept.items()
            if name in _OPTIONS and getattr(self._given, name) is None
        }
        self._given = replace(self._given, **missing)

    def _take_settings(self, archive: Archive) -> None:
        """What an admin had added to override.toml; the server reads it when it starts again."""
        old = tomllib.loads(archive.config(OVERRIDE) or "")
        now = tomllib.loads(read_text(self.layout.config) or "")
        sections = with_kept_keys(now, old)
        write_private(self.layout.config, render("override.toml.j2", sections=sections))

    def open_database(self) -> None:
        database = database_of(self.layout, self.state.database_url)
        if database.kind == "embedded" and not database.is_running():
            self._undo.callback(database.stop)
        database.start()

    def close(self) -> None:
        self._undo.close()

    def dump(self, sink: BinaryIO) -> None:
        dump_by(self._program("dump"), sink)

    def load(self, order: Mapping[str, object], source: BinaryIO | None = None) -> Json:
        return load_by(self._program("load"), order, source)

    def stop_server(self) -> None:
        server = find_server(self.layout)
        if server is not None:
            stop_process(server, seconds=_SERVER_SECONDS)
        remove_stale(self.layout.pid)

    def start_server(self) -> None:
        local.run(self._given, self._say)
        self._undo.pop_all()  # the database is in use

    def end_workers(self) -> None:
        ended = end_workers(self.layout, seconds=_WORKER_SECONDS)
        if ended:
            self._say(f"workers ended: {ended}")

    # an upgrade

    def versions(self) -> tuple[str, str]:
        state = self.state
        if find_server(self.layout) is None:
            raise NotFound(
                f"no server runs in {self.layout.root}: there is nothing to upgrade",
                hint="hai-up run starts the installed one; --tools installs the newest HAI",
            )
        try:
            old = self._running_version()
        except HaiError:
            old = state.version
        return f"HAI {old}", f"HAI {__version__}"

    def prepare(self) -> None:
        """This installation is the new one: it must be able to read its own settings."""
        what = f"HAI {__version__} cannot work with {self.layout.config}"
        checked(self._program("check"), what)
        self._old = self.state

    def migrate(self) -> list[str]:
        return migrate_by(self._program("migrate"))

    def switch(self) -> None:
        self.start_server()

    def check(self) -> None:
        found = self._running_version()
        if found != __version__:
            raise PlatformError(f"the server says that it is HAI {found}, not {__version__}")

    def _running_version(self) -> str:
        state = self.state
        url = url_of(state.host, state.port)
        with Api(url, state.token, timeout_seconds=PATIENT_SECONDS) as api:
            return str(api.whoami()["server_version"])

    def switch_back(self) -> None:
        """By the programs that ran before, if they are there still: an environment of their own."""
        old = self._old
        save_state(self.layout, old)
        python = old.python
        if not python or version_of(python) != old.version:
            raise PlatformError(
                f"HAI {old.version} is not installed any more; its database is as it was",
                hint=f"install HAI {old.version} again, then hai-up run: tasks go on meanwhile",
            )
        words = [python, "-P", "-m", "hai_up.cli", "run", "--data-dir", str(self.layout.root)]
        done = subprocess.run(  # noqa: S603 - the program that ran before
            words, env=server_environment(), cwd=self.layout.root, check=False
        )
        self._undo.pop_all()
        if done.returncode:
            raise PlatformError(f"HAI {old.version} did not start either", hint="hai-up logs")

    def _program(self, word: str) -> Child:
        command = server_command(word, "--config", os.fspath(self.layout.config))
        return started(command, cwd=self.layout.root, env=server_environment())


def version_of(python: str) -> str:
    """Of the HAI that this interpreter finds; "" for none."""
    try:
        done = subprocess.run(  # noqa: S603 - an interpreter that ran a server of ours
            [python, "-P", "-m", "hai.server.main", "--version"],
            capture_output=True,
            text=True,
            env=server_environment(),
            cwd=Path("/"),
            check=False,
            timeout=60,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
