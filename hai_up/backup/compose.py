"""A platform with Docker as a place to back up, restore and upgrade."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, BinaryIO

from hai.errors import InvalidInput, NotFound, PlatformError
from hai_up.backup.added import added_in, files_of
from hai_up.backup.archive import Archive, Contents
from hai_up.backup.place import Json
from hai_up.backup.programs import Child, checked, dump_by, load_by, migrate_by, started
from hai_up.choice import COMPOSE
from hai_up.compose.options import ComposeOptions, compose_options
from hai_up.compose.plan import compose_folder, launcher_folder, servers_of, stores_of
from hai_up.files import read_text
from hai_up.first_rows import ADMIN
from hai_up.last import require_last
from hai_up.layout import Layout
from hai_up.providers.compose import job, run, snapshot
from hai_up.providers.compose import state as states
from hai_up.providers.compose.down import remove_workers
from hai_up.providers.compose.engine import Project
from hai_up.providers.compose.place import (
    Known,
    containers_of,
    folder_of,
    old_settings,
    project_of,
    with_environment,
)
from hai_up.providers.compose.wait import READY, state_of, wait_ready

Say = Callable[[str], None]

PROVIDER = COMPOSE
VARIABLES = "config.json"
_SERVERS = ("api", "control", "server")  # of one process or of two


class ComposePlace:
    """The platform of a config.sh, or with no variables the last one of this machine. Programs are
    those of BASE_IMAGE: of the new one, in an upgrade."""

    provider = PROVIDER

    def __init__(self, values: Mapping[str, str], say: Say) -> None:
        self._values = with_environment(values) if values else {}
        self._say = say
        self.options: ComposeOptions = compose_options(self._values or _last_values())
        self._folder = compose_folder(self.options.platform_path)
        self._before: snapshot.PlatformSnapshot | None = None
        self._is_changing = False  # neither the old platform nor the new one, for now
        self._new_version = ""

    @property
    def _state(self) -> states.ComposeState:
        return states.require(self._folder)

    @property
    def _project(self) -> Project:
        return project_of(self.options)

    @property
    def _known(self) -> Known:
        """As it was brought up last."""
        state = self._state
        return Known(compose_options(state.config), state, self._folder)

    def _containers(self) -> dict[str, Json]:
        return containers_of(self.options, self._project.engine)

    @property
    def name(self) -> str:
        return self.options.project

    def contents(self) -> Contents:
        state = self._state
        config = {
            VARIABLES: json.dumps(dict(state.config), sort_keys=True),
            **files_of(read_text(Layout(self._folder).config) or "", state.settings),
        }
        secrets = {key.replace("_", "-"): text for key, text in asdict(state.secrets).items()}
        place = f"{self.name} in {self.options.platform_path}"
        return Contents(PROVIDER, place, config, secrets)

    def first_users(self) -> list[str]:
        return [*(user.name for user in self.options.users), ADMIN]

    def settings(self) -> Mapping[str, Any] | None:
        is_new = states.load(self._folder) is None
        return None if is_new else old_settings(self.options)

    def bring_up(self, archive: Archive) -> None:
        if self._values:
            is_ours = archive.manifest.provider == PROVIDER and states.load(self._folder) is None
            added = added_in(archive) if is_ours else None
            run.run(self._values, is_sure=True, say=self._say, added=added)
        elif not self._containers():
            raise InvalidInput(
                f"the platform {self.name} does not run",
                hint=f"hai-up restore {archive.path} -c config.sh brings it up",
            )

    def open_database(self) -> None:
        """NotFound where it does not run: no container is started for a backup."""
        known, there = self._known, self._containers()
        missing = [one for one in stores_of(known.options) if state_of(there.get(one)) != READY]
        if missing or not there:
            what = missing[0] if missing else "the platform"
            raise NotFound(f"{what} of {self.name} does not run", hint="hai-up run -c config.sh")

    def close(self) -> None:
        """A program's container goes with it. Old secrets stay where they could not be put back."""
        if self._before is not None and not self._is_changing:
            snapshot.forget(self._project, self.options)

    def dump(self, sink: BinaryIO) -> None:
        dump_by(self._program("dump"), sink)

    def load(self, order: Mapping[str, Any], source: BinaryIO | None = None) -> Json:
        if order.get("exact") and self._before is not None:
            self._put_back(self._before)
            self._bring(*stores_of(self._known.options))
        return load_by(self._program("load"), order, source)

    def _program(self, word: str) -> Child:
        return self._started(job.server_program(self.options, word))

    def _started(self, command: list[str]) -> Child:
        return started(command, env=self._project.engine.environment())

    def stop_server(self) -> None:
        """By the engine: the compose file may be another one than that which started them."""
        self._is_changing = True
        ids = [one["Id"] for name, one in self._containers().items() if name in _SERVERS]
        if ids:
            self._project.engine.docker("stop", *ids)

    def start_server(self) -> None:
        self._bring(*servers_of(self._known.options))

    def end_workers(self) -> None:
        """And what the launcher wrote down of them: a task of the backup may get their numbers."""
        project = self._project
        remove_workers(self._known, project.engine)
        records = f"{launcher_folder(self.options)}/workers"
        folders = [self.options.platform_path]
        job.as_root(project, self.options, folders, ["rm", "-rf", "--", records])

    def _bring(self, *services: str) -> None:
        project = self._project
        if services:
            project.call("up", "--detach", *services)
        wait_ready(project.engine, self.options, services, self._say)

    # an upgrade

    def versions(self) -> tuple[str, str]:
        servers = [one for name, one in self._containers().items() if name in _SERVERS]
        if not servers:
            raise NotFound(
                f"no server of {self.name} runs: there is nothing to upgrade",
                hint="hai-up run -c config.sh",
            )
        old, new = servers[0]["Config"]["Image"], self.options.base_image
        found = self._project.engine.inspected("image", [new])
        if old == new and found and found[0]["Id"] != servers[0]["Image"]:
            raise InvalidInput(
                f"{new} is another image now than the one that runs under this name: an upgrade "
                "could not be taken back",
                hint=f"give the new one a name of its own (docker tag {new} NAME), BASE_IMAGE=NAME",
            )
        return f"image {old}", f"image {new}"

    def prepare(self) -> None:
        """The new image starts, this machine will do, and the old files are kept."""
        project = self._project
        for warning in run.require_fit(self.options, project):
            self._say(f"warning: {warning}")
        run.fetch_image(project, self.options, self._say)
        program = self._started(job.version_program(self.options))
        what = f"the image {self.options.base_image} does not start"
        self._new_version = checked(program, what)
        self._before = snapshot.taken(project, self.options)

    def migrate(self) -> list[str]:
        return migrate_by(self._program("migrate"))

    def switch(self) -> None:
        run.run(self._values, is_sure=True, say=self._say)

    def check(self) -> None:
        with self._known.api() as api:
            found = str(api.whoami()["server_version"])
        if found != self._new_version:
            raise PlatformError(
                f"the server says that it is HAI {found}, and the image has {self._new_version}"
            )
        self._is_changing = False

    def switch_back(self) -> None:
        if self._before is not None:
            self._put_back(self._before)
        project, known = self._project, self._known
        project.call("up", "--detach", "--remove-orphans")
        everything = (*stores_of(known.options), *servers_of(known.options))
        wait_ready(project.engine, known.options, everything, self._say)
        self._is_changing = False

    def _put_back(self, before: snapshot.PlatformSnapshot) -> None:
        snapshot.put_back(self._project, self.options, before)


def _last_values() -> Mapping[str, str]:
    return states.require(folder_of(require_last(PROVIDER))).config
