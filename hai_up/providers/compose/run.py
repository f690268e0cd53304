"""`hai-up run` with Docker. Every step can be repeated: a second run goes on where one ended."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from hai import __version__
from hai.errors import PlatformError
from hai_up.checks import FAIL
from hai_up.choice import COMPOSE
from hai_up.compose import folders
from hai_up.compose.options import ComposeOptions, compose_options
from hai_up.compose.plan import ComposePlan, launcher_folder, secrets_folder, stores_of
from hai_up.files import os_error, read_text, write_private
from hai_up.first_rows import UID
from hai_up.last import LastPlatform, remember
from hai_up.layout import Layout
from hai_up.nextsteps import next_steps
from hai_up.plan import url_of
from hai_up.process import locked
from hai_up.providers.compose import job
from hai_up.providers.compose import state as states
from hai_up.providers.compose.doctor import preflight
from hai_up.providers.compose.engine import Project
from hai_up.providers.compose.nodes import label_task_nodes
from hai_up.providers.compose.place import (
    completed,
    containers_of,
    facts_of,
    labels_of,
    made_folder,
    plan_of,
    project_of,
    require_no_other,
    with_environment,
)
from hai_up.providers.compose.wait import wait_ready
from hai_up.variables import without_secrets

Say = Callable[[str], None]


def run(
    values: Mapping[str, str],
    *,
    is_sure: bool,
    say: Say,
    added: Mapping[str, Any] | None = None,
) -> None:
    """Bring the platform of this config.sh into being, or to what the file says now. `is_sure`:
    nothing is asked here; what is somebody else's is never replaced. `added`: what an admin had
    added to the override.toml of a platform that comes back."""
    del is_sure
    values = with_environment(values)
    options = compose_options(values)
    project = project_of(options)
    say(f"the engine is {options.socket}, the project {options.project}")
    for warning in require_fit(options, project):
        say(f"warning: {warning}")
    folder = made_folder(options)
    with locked(Layout(folder), say):
        _go(options, project, folder, without_secrets(values), say, added or {})


def require_fit(options: ComposeOptions, project: Project) -> list[str]:
    """Warnings. PlatformError, InvalidInput: the platform cannot run here so."""
    require_no_other(options, project.engine)
    found = preflight(options)
    for check in found:
        if check.status == FAIL:
            raise PlatformError(check.text, hint=check.fix)
    return [check.text for check in found]


def _go(
    options: ComposeOptions,
    project: Project,
    folder: Path,
    config: Mapping[str, str],
    say: Say,
    added: Mapping[str, Any],
) -> None:
    engine = project.engine
    before = states.load(folder)
    known = completed(options, before.secrets if before else None)
    plan = plan_of(options, facts_of(options, engine, before, added), known)
    state = before or states.ComposeState(__version__, known, config)
    states.save(folder, replace(state, secrets=known))  # first: what is made with them stays ours
    fetch_image(project, options, say)
    changed = _write_files(folder, plan)
    changed += _make_folders(project, plan)
    old = _ids(project, options)
    _leave_other_compose(project, options, say)
    project.call("up", "--detach", *stores_of(options))
    wait_ready(engine, options, stores_of(options), say)
    is_seeded = state.seed != plan.seed_fingerprint
    if is_seeded:
        say("the database gets its users, quotas, images and mounts")
        job.import_rows(project, plan)
    labels, nodes = label_task_nodes(options, state.labels)
    state = states.ComposeState(
        __version__, known, config, plan.seed_fingerprint, labels, plan.settings
    )
    states.save(folder, state)
    project.call("up", "--detach", "--remove-orphans")
    wait_ready(engine, options, plan.services, say)
    new = _ids(project, options)
    changed += [f"container {name}" for name in plan.services if old.get(name) != new.get(name)]
    changed += [f"node/{name} (group)" for name in nodes]
    for what in changed:
        say(f"  applied {what}")
    remember(LastPlatform(COMPOSE, folder=str(folder)))
    if not changed and not is_seeded:
        say("nothing had to be changed")
    _tell(plan, options, project, is_new=before is None or not before.seed, say=say)


def _leave_other_compose(project: Project, options: ComposeOptions, say: Say) -> None:
    """Version 2 of compose does not take what version 1 made, and the other way round. What it made
    holds nothing that is not in folders."""
    made_by = {
        labels_of(one).get("com.docker.compose.version", "").partition(".")[0]
        for one in project.engine.inspected("network", [options.project])
    }
    if made_by <= {"", project.compose.version.partition(".")[0]}:
        return
    say("another version of docker compose made the containers: they are made anew")
    for one in containers_of(options, project.engine).values():
        project.engine.docker("stop", one["Id"])
        project.engine.docker("rm", "--force", one["Id"])
    project.engine.docker("network", "rm", options.project)


def _ids(project: Project, options: ComposeOptions) -> dict[str, str]:
    containers = containers_of(options, project.engine)
    return {name: one["Id"] for name, one in containers.items()}


def fetch_image(project: Project, options: ComposeOptions, say: Say) -> None:
    if not project.engine.has_image(options.base_image):
        say(f"fetching {options.base_image}")
        project.engine.docker("pull", "--quiet", options.base_image)


def _write_files(folder: Path, plan: ComposePlan) -> list[str]:
    """Without secrets: the containers' account reads them, the compose file is nobody's secret."""
    changed = []
    for name, text in plan.files.items():
        path = folder / name
        if read_text(path) == text:
            continue
        try:
            path.parent.mkdir(mode=0o755, exist_ok=True)
        except OSError as error:
            raise os_error(f"cannot make {path.parent}", error) from error
        write_private(path, text, mode=0o644)
        changed.append(str(path))
    return changed


def _make_folders(project: Project, plan: ComposePlan) -> list[str]:
    """As root, in a container: hai-up's own account may not give files away."""
    files = {"folder": secrets_folder(plan.options), "uid": UID, "texts": dict(plan.secret_files)}
    seed = {"path": f"{launcher_folder(plan.options)}/platform", "uid": UID}
    seeds = [{**seed, "text": plan.worker_label.rpartition("=")[2]}]
    given = json.dumps({"folders": plan.folders, "seeds": seeds, "files": files})
    roots = dict.fromkeys((plan.options.platform_path, plan.options.db_path))
    text = Path(folders.__file__).read_text("utf-8")
    said = job.as_root(project, plan.options, list(roots), ["python3", "-I", "-c", text], given)
    made: list[str] = json.loads(said)
    return made


def _tell(
    plan: ComposePlan, given: ComposeOptions, project: Project, *, is_new: bool, say: Say
) -> None:
    """The next lines to type, with the values filled in."""
    options = plan.options
    root = next(user for user in options.users if user.name == options.root_user)
    brought = {user.name: user.token for user in given.users}
    url = url_of(options.host, options.port).removesuffix(":80")
    say(f"HAI runs in project {options.project}, see {project.file}")
    token = root.token if is_new and not brought[root.name] else ""
    for line in next_steps(root.name, token, url, options.platform_path):
        say(line)
    say(f"  the dashboard in the browser: {url_of(options.host, options.studio_port)}")
