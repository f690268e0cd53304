"""Commands that only look: config, status, logs, dryrun."""

import os
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from hai import __version__
from hai.errors import HaiError, NotFound, PlatformError
from hai_up.api import ACTIVE, WAITING
from hai_up.choice import COMPOSE
from hai_up.cluster.secrets import MASKED
from hai_up.compose.options import compose_options
from hai_up.compose.plan import ComposeFacts, ComposePlan, plan_compose, servers_of, services_of
from hai_up.config import os_user, parse_config, user_name_of
from hai_up.console import data
from hai_up.files import os_error, write_private
from hai_up.last import LastPlatform
from hai_up.providers.compose import state as states
from hai_up.providers.compose.compare import changes
from hai_up.providers.compose.place import (
    Known,
    containers_of,
    engine_of,
    folder_of,
    project_of,
    with_environment,
)
from hai_up.providers.compose.wait import READY, state_of
from hai_up.render import render
from hai_up.status import BROKEN, NOT_RUNNING, RUNNING
from hai_up.userinfo import FIRST_UID

Json = dict[str, Any]
Say = Callable[[str], None]

_HIDDEN = "(a secret)"


def config_template(say: Say) -> str:
    """config.sh for this machine, with what is known of it filled in."""
    del say
    user = user_name_of(os_user())
    revision = __version__.partition("+g")[2]
    return render(
        "config.compose.sh.j2",
        shared_fs_root="/nfs-shared",
        image=f"hai-platform:{revision}" if revision else "",
        user=user,
        uid=os.getuid() or FIRST_UID,
        gpus="",
    )


def check_config(text: str) -> None:
    """InvalidInput for a config.sh of one machine with Docker that will not do."""
    compose_options(with_environment(parse_config(text, os.environ)))


def show_plan(values: Mapping[str, str], out: Path | None, say: Say) -> None:
    """Everything that run would write, without secrets, and what it would change of a platform that
    is there; without one no engine is asked."""
    files = files_of(masked_plan(values))
    try:
        told = changes(compose_options(with_environment(values)))
    except HaiError as error:
        told = [f"what would change is not known: {error.message}"]
    files["changes.diff"] = "".join(f"{line}\n" for line in told)
    for name, text in files.items():
        if out is None:
            data(f"# --- {name}\n{text}")
        else:
            _write(out / name, text)
            say(f"wrote {out / name}")
    say("nothing was changed")


def masked_plan(values: Mapping[str, str]) -> ComposePlan:
    options = compose_options(with_environment(values))
    hidden = replace(
        options,
        users=tuple(replace(user, token=_HIDDEN) for user in options.users),
        database=options.database and replace(options.database, password=_HIDDEN),
        bus=options.bus and replace(options.bus, password=_HIDDEN),
    )
    return plan_compose(hidden, ComposeFacts(kubeconfig=_HIDDEN, bridge="172.17.0.1"), MASKED)


def files_of(plan: ComposePlan) -> dict[str, str]:
    """By name; the same for the same plan."""
    names = "".join(f"{name}\n" for name in sorted(plan.secret_files))
    return {**plan.files, "init.sql": plan.init_sql, "secrets.txt": names}


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise os_error(f"cannot make {path.parent}", error) from error
    write_private(path, text)


def status(last: LastPlatform) -> Json:
    """status: running, not running or broken; and each part of it."""
    folder = folder_of(last)
    facts: Json = {
        "schema_version": 1,
        "status": NOT_RUNNING,
        "provider": COMPOSE,
        "folder": str(folder),
    }
    state = states.load(folder)
    if state is None:
        return {**facts, "parts": {}}
    known = Known(compose_options(state.config), state, folder)
    options = known.options
    containers = containers_of(options, engine_of(options))
    parts = {name: state_of(containers.get(name)) for name in services_of(options)}
    facts |= {"project": options.project, "url": known.url, "version": state.version}
    if not containers:
        return {**facts, "parts": {}}
    good = all(word == READY for word in parts.values())
    facts["status"] = RUNNING if good else BROKEN
    if state.version != __version__:
        facts["note"] = f"hai-up here is {__version__}: hai-up run brings it there"
    return {**facts, **_told(known), "parts": parts}


def _told(known: Known) -> Json:
    """What the server says of itself; it may not answer."""
    try:
        with known.api() as api:
            nodes = api.nodes()
            free = sum(node["status"] == "free" for node in nodes)
            tasks = f"{api.count(*ACTIVE)} active, {api.count(*WAITING)} waiting"
            return {"nodes": f"{len(nodes)}, {free} free", "tasks": tasks}
    except HaiError as error:
        return {"why": error.message}


def show_log(last: LastPlatform, *, tail: int, follow: bool) -> None:
    """The servers' logs; with `follow` also what comes, until Ctrl-C."""
    folder = folder_of(last)
    state = states.require(folder)
    options = compose_options(state.config)
    project = project_of(options)
    if not containers_of(options, project.engine):
        raise NotFound("no server runs there", hint="hai-up status; hai-up run")
    words = ["logs", "--no-color", f"--tail={tail}", *(["--follow"] if follow else [])]
    done = subprocess.run(  # noqa: S603 - docker compose, no shell
        project.words(*words, *servers_of(options)),
        env=project.engine.environment(),
        check=False,
    )
    if done.returncode:
        raise PlatformError("docker compose logs failed", hint="hai-up status")


def show_paths(last: LastPlatform) -> None:
    """Where the engine keeps each server's log: readable for root."""
    options = compose_options(states.require(folder_of(last)).config)
    there = containers_of(options, engine_of(options))
    for name in servers_of(options):
        if name in there:
            data(str(there[name]["LogPath"]))
