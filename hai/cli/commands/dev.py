"""hai-cli dev start|list|open|services|stop|remove|logs|extend|restart."""

import time
from pathlib import Path
from shlex import quote
from typing import Annotated, Any

import typer

from hai.cli.commands import dev_clock
from hai.cli.dev_layouts import dev_layout
from hai.cli.dev_options import Cpu, Gpus, Image, Memory, Spot, Wanted
from hai.cli.grammar import parse_priority
from hai.cli.launch_options import Env, EnvFollow
from hai.cli.layouts import services_layout, tasks_layout, why_line
from hai.cli.listing import UNFINISHED, all_tasks
from hai.cli.refs import Group, PriorityLevel
from hai.cli.session import Session, verb
from hai.client.containers import container_document, parse_service
from hai.client.environments import with_environment
from hai.console.commands import new_app, option
from hai.errors import Conflict, HaiError, InvalidInput, NotFound, TimedOut

app = new_app(
    epilog="""
    hai-cli dev start lab
    hai-cli dev open lab
    hai-cli dev stop lab
    """
)
JUPYTER = "jupyter"
_LOOK_SECONDS = 0.3
_READY_SECONDS = 120.0

Name = Annotated[str, typer.Argument(metavar="NAME", help="Of the dev container.")]


@app.callback()
def dev() -> None:
    """Dev containers: JupyterLab as a task, with your files, reached through the platform."""


@verb(
    app,
    "start",
    """
    hai-cli dev start lab                      JupyterLab in this folder
    hai-cli dev start lab -g gpu -p HIGH       on a node of group gpu
    hai-cli dev start lab --py-venv /envs/a    JupyterLab of that environment
    hai-cli dev start lab --idle 2h            suspended after two hours without use
    hai-cli dev start lab --cpu 8 --memory 32G --gpus 1
    hai-cli dev start lab --env vision         the same, of haienv's vision
    """,
)
def start(  # noqa: PLR0913 (one parameter per option)
    session: Session,
    name: Name,
    *,
    group: Group = None,
    priority: PriorityLevel = None,
    folder: Annotated[
        Path | None, option("--folder", metavar="DIR", help="Where it works.", show_default="here")
    ] = None,
    py_venv: Annotated[
        Path | None, option("--py-venv", metavar="DIR", help="The environment that it runs in.")
    ] = None,
    idle: Annotated[
        str | None,
        option("--idle", metavar="TIME", help="Suspend it after so long without use."),
    ] = None,
    cpu: Cpu = None,
    memory: Memory = None,
    gpus: Gpus = None,
    image: Image = None,
    spot: Spot = None,
    env: Env = None,
    env_follow: EnvFollow = False,
    service: Annotated[
        list[str] | None,
        option(
            "--service",
            metavar="NAME[:PORT][=CMD]",
            help="Beside JupyterLab, again for each: a port of it for the browser (/tcp: for "
            "port-forward), and what to start.",
        ),
    ] = None,
) -> int:
    """Start a dev container, or start one again under the same name as it was.

    It is a task with the same life, queue and rights as any other. Where nodes are shared it gets a
    part of one, elsewhere a whole node."""
    earlier = _latest(session, name)
    idle_seconds = None if idle is None else dev_clock.idle_option(idle)
    if earlier is not None and dev_clock.is_set_aside(earlier):
        wishes: dict[str, object] = {"-g": group, "-p": priority, "--folder": folder}
        wishes |= {"--py-venv": py_venv, "--env": env, "--spot": spot, "--idle": idle}
        wishes |= {"--cpu": cpu, "--memory": memory, "--gpus": gpus, "-i": image}
        given = [key for key, one in wishes.items() if one is not None]
        return dev_clock.go_on(session, name, earlier, given)
    if earlier is not None and earlier["state"] in UNFINISHED:
        raise Conflict(
            f"dev container {name} is {earlier['state']} already (task {earlier['id']})",
            hint=f"hai-cli dev open {quote(name)}",
        )
    document = _document(session, name, earlier, folder=folder, py_venv=py_venv)
    wanted = Wanted(group, cpu, memory, gpus, image, spot)
    wanted.put_into(document)
    if priority is not None:
        document["priority"] = parse_priority(priority)
    if idle_seconds is not None:
        document["options"]["idle_seconds"] = idle_seconds
    document = with_environment(document, env, follow=env_follow, ask=session.answer_of)
    if service:
        document["services"] = [parse_service(one) for one in service]
    task = session.client.call("submit", body=document)
    session.stderr.say(f"dev container {name} is task {task['id']}")
    why = why_line(task)
    if why and task["state"] == "queued":
        session.stderr.say(f"  it waits: {why}")
    session.stderr.say(f"  open it:  hai-cli dev open {quote(name)}")
    session.output.item(task, tasks_layout(session.now))
    return 0


@verb(app, "list", "hai-cli dev list\nhai-cli dev list -o json", lists=True)
def list_containers(session: Session) -> None:
    """Your dev containers, each once, as it is now; those that run with their use: when they are
    suspended for being idle, and what keeps them."""
    found: dict[str, Any] = {}
    for task in all_tasks(session, {"task_type": JUPYTER}):
        found.setdefault(task["name"], task)
    found = {name: task for name, task in found.items() if not task.get("removed")}
    session.output.rows(list(found.values()), dev_layout(session.now))


@verb(
    app,
    "open",
    "hai-cli dev open lab\nhai-cli dev open lab tensorboard\nhai-cli dev open lab --print",
    formats=False,
)
def open_container(
    session: Session,
    name: Name,
    service: Annotated[
        str, typer.Argument(metavar="[SERVICE]", help="Of the task; JupyterLab.")
    ] = JUPYTER,
    *,
    port: Annotated[
        int, option("--port", metavar="N", help="Forward this port of this machine instead.")
    ] = 0,
    browser: Annotated[
        bool, option("--browser/--no-browser", help="Open it, or only say where it is.")
    ] = True,
    prints: Annotated[
        bool, option("--print", help="Print the address alone, and open nothing.")
    ] = False,
) -> int:
    """Wait until JupyterLab (or a service of any task) is ready, and open it in the browser.

    The address holds a code that is good once, for a minute; then the browser has a cookie. Where
    the platform has no door for browsers, or with --port, a port of this machine's loopback is
    forwarded until Ctrl-C."""
    from hai.cli.remote.door import enter, ticket
    from hai.cli.remote.lab import serve

    task = _with_service(session, name, service)
    ref = str(task["id"])
    _until_running(session, name, ref)
    url = None if port else ticket(session, ref, service)
    if url is not None:
        enter(session, url, service, with_browser=browser, prints=prints)
        return 0
    if service != JUPYTER:
        raise NotFound(
            "this platform has no door for browsers",
            hint=f"hai-cli port-forward {ref} PORT",
        )
    serve(session, ref, port, with_browser=browser and not prints, prints=prints)
    return 0


@verb(app, "stop", "hai-cli dev stop lab")
def stop(session: Session, name: Name) -> int:
    """End a dev container. Its files stay; `dev start NAME` starts it as it was."""
    task = _unfinished(session, name)
    stopped = session.client.call("stop", body={"why": ""}, ref=task["id"])
    session.stderr.say(f"dev container {name} is told to stop, now {stopped['state']}")
    session.output.item(stopped, tasks_layout(session.now))
    return 0


@verb(app, "remove", "hai-cli dev remove lab")
def remove(session: Session, name: Name) -> int:
    """Remove a dev container that has ended. Its files, its task and its log stay; `dev start NAME`
    makes a new one."""
    task = _latest(session, name)
    if task is None:
        raise _no_such(name)
    if task["state"] in UNFINISHED:
        raise Conflict(
            f"dev container {name} is {task['state']}, and only what has ended can be removed",
            hint=f"hai-cli dev stop {quote(name)}",
        )
    removed = session.client.call("remove", ref=task["id"])
    session.stderr.say(f"dev container {name} is removed; its files stay")
    session.output.item(removed, tasks_layout(session.now))
    return 0


@verb(app, "logs", "hai-cli dev logs lab\nhai-cli dev logs lab -f", formats=False)
def logs(
    session: Session,
    name: Name,
    *,
    follow: Annotated[bool, option("-f", "--follow", help="Keep showing what comes.")] = False,
) -> int:
    """What JupyterLab and its start printed."""
    from hai.cli.commands.logs import logs as show

    task = _latest(session, name)
    if task is None:
        raise _no_such(name)
    return show(session, str(task["id"]), follow=follow) or 0


@verb(app, "extend", "hai-cli dev extend lab\nhai-cli dev extend lab 4h")
def extend(
    session: Session,
    name: Name,
    time_: Annotated[
        str | None, typer.Argument(metavar="TIME", help="From now; the whole limit without it.")
    ] = None,
) -> int:
    """Keep a dev container that nobody uses: it is not suspended for being idle in that time."""
    return dev_clock.extend(session, name, _unfinished(session, name), time_)


@verb(app, "restart", "hai-cli dev restart lab")
def restart(session: Session, name: Name) -> int:
    """Give a dev container notice to save, stop it, and start it again as it was."""
    task = _latest(session, name)
    if task is None:
        raise _no_such(name)
    return dev_clock.restart(session, name, task)


@verb(
    app,
    "services",
    """
    hai-cli dev services lab                        what listens and runs beside JupyterLab
    hai-cli dev services train.py restart board     also of any other task
    """,
    lists=True,
)
def services(
    session: Session,
    name: Name,
    action: Annotated[
        str | None, typer.Argument(metavar="[start|stop|restart", help="What to do with one.")
    ] = None,
    service: Annotated[str | None, typer.Argument(metavar="SVC]", help="Which.")] = None,
) -> None:
    """The services of a dev container, or of any task: where they are and what they do. They start
    with its program and end with it; one that ends is not started again by itself."""
    from hai.cli.remote.services import VERBS, order

    task = _any_task(session, name)
    if action is not None:
        if action not in VERBS or service is None:
            raise InvalidInput(
                f"hai-cli dev services {name} needs start, stop or restart, and a service",
                hint=f"hai-cli dev services {quote(name)} restart SVC",
            )
        known = [one for one in task["services"] if one["name"] == service]
        if not known:
            raise NotFound(
                f"task {task['id']} has no service {service}",
                hint=f"hai-cli dev services {quote(name)} lists them",
            )
        for one in known:
            after = order(session, str(task["id"]), one["rank"], service, action)
            one.update({k: v for k, v in after[service].items() if k in one})
        task["services"] = known
    session.output.rows(task["services"], services_layout())


def _document(
    session: Session,
    name: str,
    earlier: Any,
    *,
    folder: Path | None,
    py_venv: Path | None,
) -> dict[str, Any]:
    """As it was before, with what was given now."""
    known = {} if earlier is None else session.client.call("task", ref=earlier["id"])["spec"]
    document = container_document(name, str(Path.cwd()), known)
    if folder is not None:
        document["spec"]["workspace"] = str(folder.absolute())
    if py_venv is not None:
        document["options"] |= {"py_venv": str(py_venv.absolute()), "environment": None}
    return document


def _latest(session: Session, name: str) -> Any:
    """The last task of that dev container; None if there never was one."""
    tasks = all_tasks(session, {"task_type": JUPYTER, "name": name})
    latest = next((task for task in tasks if task["name"] == name), None)
    return None if latest is None or latest.get("removed") else latest


def _unfinished(session: Session, name: str) -> Any:
    task = _latest(session, name)
    if task is None:
        raise _no_such(name)
    if task["state"] not in UNFINISHED:
        raise Conflict(
            f"dev container {name} is {task['state']}",
            hint=f"hai-cli dev logs {quote(name)} tells how it ended; "
            f"hai-cli dev start {quote(name)} starts it again",
        )
    return task


def _with_service(session: Session, name: str, service: str) -> Any:
    """A dev container; for other services than JupyterLab also a task of any type."""
    if service == JUPYTER and _latest(session, name) is not None:
        return _unfinished(session, name)
    return _any_task(session, name)


def _any_task(session: Session, name: str) -> Any:
    """The last dev container of that name, or else what it names."""
    container = None if name.isdigit() else _latest(session, name)
    try:
        return session.client.call("task", ref=container["id"] if container else name)
    except NotFound:
        raise _no_such(name) from None


def _no_such(name: str) -> HaiError:
    return NotFound(f"there is no dev container {name}", hint="hai-cli dev list")


def _until_running(session: Session, name: str, ref: str) -> None:
    """TimedOut when it takes long, Conflict when it ended instead."""
    deadline = time.monotonic() + (session.limit_seconds or _READY_SECONDS)
    has_told = False
    while True:
        task = session.client.call("task", ref=ref)
        if task["state"] == "running":
            return
        if dev_clock.is_set_aside(task):
            raise Conflict(
                f"dev container {name} is {task['state']}: {task['why']}",
                hint=f"hai-cli dev start {quote(name)} lets it go on",
            )
        if task["state"] not in UNFINISHED:
            raise Conflict(
                f"dev container {name} has ended: {task['why']}",
                hint=f"hai-cli dev logs {quote(name)}",
            )
        if time.monotonic() > deadline:
            raise TimedOut(
                f"dev container {name} is still {task['state']}: {why_line(task)}",
                hint=f"hai-cli why {ref}; --timeout 1h waits longer",
            )
        if not has_told:
            has_told = True
            session.stderr.say(f"dev container {name} is {task['state']}: {why_line(task)}")
        time.sleep(_LOOK_SECONDS)
