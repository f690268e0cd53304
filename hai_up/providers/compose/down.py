"""`hai-up down` with Docker: tasks are suspended, what hai-up made goes, data stays; `--purge`
takes that as well."""

import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from hai.errors import HaiError
from hai_up.api import ACTIVE, PATIENT_SECONDS, Api
from hai_up.compose.options import compose_options
from hai_up.compose.plan import LABEL, secrets_before, secrets_folder, worker_label
from hai_up.console import ask
from hai_up.files import os_error
from hai_up.last import LastPlatform, forget
from hai_up.layout import Layout
from hai_up.process import locked
from hai_up.providers.compose import job
from hai_up.providers.compose import state as states
from hai_up.providers.compose.engine import ComposeEngine, Project
from hai_up.providers.compose.nodes import unlabel_task_nodes
from hai_up.providers.compose.place import Known, containers_of, folder_of, project_of
from hai_up.tasks import stop_tasks, vacate_tasks

Say = Callable[[str], None]

_STOP_TIMEOUT_SECONDS = 60.0


def down(last: LastPlatform, *, seconds: float, say: Say) -> None:
    """Suspend what runs (for at most `seconds`), then take the containers away; data is kept."""
    known = _find(last, say)
    if known is None:
        return
    with locked(Layout(known.folder), say):
        project = project_of(known.options)
        is_vacant = False
        if _is_there(known, project, say):
            with known.api(PATIENT_SECONDS) as api:
                vacate_tasks(api, seconds, say)
                is_vacant = _is_vacant(api)
        _take_away(known, project)
        if is_vacant:
            remove_workers(known, project.engine)
        _tell_of_workers(known, project.engine, say)
    say(f"stopped; data is kept: {_where(known)}, {known.folder}")


def purge(last: LastPlatform, *, is_sure: bool, say: Say) -> None:
    """The data as well, after asking for the project's name."""
    known = _find(last, say)
    if known is None:
        return
    name = known.options.project
    say(f"this ends all tasks and removes the platform {name} with its data:")
    say(f"  {_where(known)}; folders of users stay")
    if known.options.database is not None:
        say("the tables in the database that you gave are not touched")
    if not is_sure and not ask(f"type the project's name ({name}): ", name):
        say("nothing was changed")
        return
    with locked(Layout(known.folder), say):
        project = project_of(known.options)
        if _is_there(known, project, say):
            with known.api(_STOP_TIMEOUT_SECONDS) as api:
                stop_tasks(api, say)
        _take_away(known, project)
        remove_workers(known, project.engine)
        _remove_data(known, project)
        forget()
        _remove_folder(known.folder)
    say(f"removed the platform {name}")


def _find(last: LastPlatform, say: Say) -> Known | None:
    folder = folder_of(last)
    state = states.load(folder)
    if state is None:
        say(f"nothing to do: hai-up has made no platform in {folder.parent}")
        return None
    return Known(compose_options(state.config), state, folder)


def _is_there(known: Known, project: Project, say: Say) -> bool:
    """Does a server answer? Without one its tasks stay as they are."""
    if not containers_of(known.options, project.engine):
        return False
    with known.api() as api:
        if api.readiness() is not None:
            return True
    say("the server does not answer: its tasks are as they are")
    return False


def _is_vacant(api: Api) -> bool:
    """Is every attempt over and written down? Then nobody needs its containers any more."""
    try:
        return api.count(*ACTIVE) == 0
    except HaiError:
        return False


def remove_workers(known: Known, engine: ComposeEngine) -> None:
    """Containers of tasks, and their networks."""
    label = worker_label(known.state.secrets)
    for one in engine.labelled("container", label):
        engine.docker("rm", "--force", "--volumes", one["Id"])
    for one in engine.labelled("network", label):
        engine.docker("network", "rm", one["Id"])


def _tell_of_workers(known: Known, engine: ComposeEngine, say: Say) -> None:
    left = engine.labelled("container", worker_label(known.state.secrets))
    if left:
        say(
            f"containers of tasks that run on without the server: {len(left)}; the next hai-up run "
            "picks them up"
        )


def _where(known: Known) -> str:
    options = known.options
    logs = f"{options.platform_path}/workspace/log"
    return logs if options.database is not None else f"{options.db_path}/hai, {logs}"


def _take_away(known: Known, project: Project) -> None:
    """Containers and networks; there are no volumes but folders."""
    if project.file.exists():  # else an interrupted run has not come so far
        project.call("down", "--remove-orphans")
    label = f"{LABEL}={known.options.platform_path}"
    for one in project.engine.labelled("container", label):
        project.engine.docker("rm", "--force", "--volumes", one["Id"])
    unlabel_task_nodes(known.options, known.state.labels)


def _remove_data(known: Known, project: Project) -> None:
    """By root: it belongs to the containers' account."""
    options = known.options
    gone = [secrets_folder(options), secrets_before(options), f"{options.platform_path}/server"]
    gone.append(f"{options.platform_path}/workspace/log")
    if options.database is None:
        gone.append(f"{options.db_path}/hai")
    roots = dict.fromkeys((options.platform_path, options.db_path))
    job.as_root(project, options, list(roots), ["rm", "-rf", "--", *gone])
    if options.db_path.startswith(f"{options.platform_path}/"):
        with suppress(OSError):  # an original's database may be there
            Path(options.db_path).rmdir()


def _remove_folder(folder: Path) -> None:
    try:
        shutil.rmtree(folder)
    except OSError as error:
        raise os_error(f"cannot remove {folder}", error) from error
