"""The page of dev containers, in HTML. Pure: whatever others named is escaped here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from shlex import quote
from typing import Any

from hai.core.types import FINAL_STATES, TaskState
from hai.errors import HaiError
from hai.studio import pages
from hai.studio.container_form import Form
from hai.wording.amounts import amounts

JUPYTER = "jupyter"
_PLACE = "/containers"
_COMES = frozenset({TaskState.QUEUED, TaskState.STARTING, TaskState.RUNNING})
_RUNS = frozenset({TaskState.STARTING, TaskState.RUNNING})
_PASSING = frozenset({"unreachable", "unavailable", "timeout"})
_NOT_PLANNED = "not_planned"  # true of every task for the blink before its first tick
Task = Mapping[str, Any]
Capacity = Sequence[tuple[str, list[str]]]


@dataclass(frozen=True, slots=True)
class ContainerPage:
    """What the page shows. `form`: what was written into the start form. `is_known`: whether the
    platform has told what there is."""

    user: str
    tasks: Sequence[Task] = ()
    capacity: Capacity = ()
    environments: Sequence[str] = ()
    images: Sequence[str] = ()
    error: HaiError | None = None
    form: Form = field(default_factory=dict)
    is_known: bool = True
    was_asked: bool = False  # for something, which failed


def is_set_aside(task: Task) -> bool:
    """Suspended until somebody starts it again."""
    return bool(task["held"]) and task["state"] in ("suspended", "suspending")


def containers_page(sight: ContainerPage) -> str:
    body = f"""{pages.bar(sight.user, _PLACE)}
<main id="containers"><section><h1>Dev containers</h1>{error_box(sight.error, _passes(sight))}
<div class="error" id="away" role="alert" hidden></div>
{_list(sight)}</section><section>{_capacity(sight)}{_start_form(sight)}</section></main>"""
    return _framed("HAI Studio: dev containers", body)


def live_part(sight: ContainerPage) -> str:
    """What changes by itself."""
    return _list(sight) + _capacity(sight) + _groups(sight)


def _list(sight: ContainerPage) -> str:
    rows = "".join(_container(task) for task in sight.tasks)
    if not sight.is_known:
        rows = '<p class="empty">Your dev containers are shown when the platform answers.</p>'
    elif not rows:
        rows = '<p class="empty">You have no dev containers. Start one with the form.</p>'
    return f'<div id="list" data-user="{escape(sight.user)}">{rows}</div>'


def _capacity(sight: ContainerPage) -> str:
    groups = "".join(
        f"<dt>{escape(name)}</dt>" + "".join(f"<dd>{escape(line)}</dd>" for line in lines)
        for name, lines in sight.capacity
    )
    told = groups or f"<dd>{'no nodes' if sight.is_known else 'not known'}</dd>"
    return f'<div id="capacity"><h2>Free now</h2><dl>{told}</dl></div>'


def error_box(error: HaiError | None, passes: str = "") -> str:
    """What, why and what next."""
    if error is None:
        return ""
    hint = f'<p class="next">{escape(error.hint)}</p>' if error.hint else ""
    return f'<div class="error" role="alert"{passes}><p>{escape(error.message)}</p>{hint}</div>'


def _passes(sight: ContainerPage) -> str:
    """Marks what is untrue as soon as the platform answers; "asked" if something was to be done."""
    if sight.error is None or sight.error.code not in _PASSING:
        return ""
    return ' data-passes="asked"' if sight.was_asked else ' data-passes=""'


def opening_page(name: str, url: str) -> str:
    """Leads on to the door. The address, with its code, is in the page and never in its own."""
    head = f'<meta http-equiv="refresh" content="0; url={escape(url)}">'
    link = f'<a href="{escape(url)}" rel="noreferrer">Open {escape(name)}</a>'
    body = f'<main class="single"><p>{link} (good once, for a minute)</p></main>'
    return _framed(f"HAI Studio: {name}", body, head=head)


def waiting_page(task: Task, service: str, why: str, tries: int) -> str:
    """Asks again by itself while `tries` are left, and at a press of the button."""
    again = "" if tries <= 0 else " data-again"
    body = f"""<main class="single"><h1>{escape(task["name"])}</h1>
<p>{escape(service)} does not answer yet: {escape(why)}</p>
<form method="post" action="{_PLACE}/{task["id"]}/open"{again}>
<input type="hidden" name="service" value="{escape(service)}">
<input type="hidden" name="tries" value="{tries if tries > 0 else ""}">
<button type="submit">Try again</button></form></main>"""
    return _framed(f"HAI Studio: {task['name']}", body)


def error_page(user: str, error: HaiError) -> str:
    body = f"""{pages.bar(user, "")}<main class="single">{error_box(error)}
<p><a href="{_PLACE}">Dev containers</a></p></main>"""
    return _framed("HAI Studio", body)


def log_page(user: str, task: Task, lines: Sequence[str], most: int) -> str:
    name = str(task["name"])
    told = "\n".join(map(escape, lines)) or "nothing was printed yet"
    body = f"""{pages.bar(user, "")}<main class="log"><h1>{escape(name)}</h1>
<p class="hint">Task {task["id"]}, the last {most} lines. <a href="">Again</a> &middot;
<a href="{_PLACE}">Dev containers</a> &middot; all of it: hai-cli dev logs {escape(quote(name))}</p>
<pre>{told}</pre></main>"""
    return _framed(f"HAI Studio: log of {name}", body)


def _framed(title: str, body: str, head: str = "") -> str:
    return pages.page(title, body, ("containers.js",), ("containers.css",), head)


# one container


def _container(task: Task) -> str:
    state = str(task["state"])
    return f"""<article id="c-{task["id"]}"><header><h3>{escape(task["name"])}</h3>
<span class="state {escape(state)}">{escape(state)}</span></header>
<p class="hint">{escape(_facts(task))}</p>{_use(task)}{_services(task)}
<div class="verbs">{_verbs(task)}</div></article>"""


def _facts(task: Task) -> str:
    """Which task, where, and which part of a node."""
    asks = task.get("asks")
    part = amounts(asks) if asks else "spot, a whole node" if task["spot"] else "a whole node"
    nodes = ", ".join(task["assigned_nodes"]) or f"group {task['group']}"
    return f"task {task['id']} · {nodes} · {part}"


def _use(task: Task) -> str:
    """Of a running one the countdown and every sign of use; of another why it is where it is."""
    idle = task.get("idle")
    if not idle:
        reason = task.get("reason") or {}
        why = str(task.get("why") or "")
        if reason:
            why = "" if reason["code"] == _NOT_PLANNED else str(reason["text"])
        return f'<p class="use">{escape(why)}</p>' if why else ""
    signs = "".join(f"<li>{escape(line)}</li>" for line in idle["lines"])
    return f'<p class="use">{escape(idle["text"])}</p><ul class="signs">{signs}</ul>'


def _services(task: Task) -> str:
    rows, state = "", task["state"]
    for one in task.get("services") or ():
        port = f":{one['port']}" if one["port"] else ""
        name = f"{one['name']}{port}"
        told = f"{one['type']}, {one['state']}"
        if one["exit_code"] is not None:
            told += f", exit code {one['exit_code']}"
        rows += f"<li><span>{escape(name)}</span> <small>{escape(told)}</small>"
        if one["type"] == "http" and one["name"] not in ("ssh", JUPYTER) and state in _RUNS:
            rows += _open(task, str(one["name"]), "Open")
        rows += "</li>"
    return f'<ul class="services">{rows}</ul>' if rows else ""


def _verbs(task: Task) -> str:
    state = task["state"]
    found = []
    if state in _COMES:
        found.append(_open(task, JUPYTER, "Open JupyterLab"))
    if state in FINAL_STATES or is_set_aside(task):
        found.append(_verb(task, "start", "Start again"))
    if state in _RUNS:
        found.append(_verb(task, "restart", "Restart"))
    if state == TaskState.RUNNING:
        found.append(_verb(task, "extend", "Extend", _MORE))
    if state in FINAL_STATES:
        found.append(_verb(task, "remove", "Remove"))
    elif state != TaskState.STOPPING:
        found.append(_verb(task, "stop", "Stop"))
    found.append(f'<a href="{_PLACE}/{task["id"]}/logs">Logs</a>')
    return "".join(found)


_MORE = (
    '<input name="time" size="5" placeholder="as 2h" aria-label="from now, as 2h" '
    'title="how long from now; empty: as long as it may be idle">'
)


def _verb(task: Task, verb: str, label: str, more: str = "") -> str:
    return (
        f'<form method="post" action="{_PLACE}/{task["id"]}/{verb}">{more}'
        f'<button type="submit">{label}</button></form>'
    )


def _open(task: Task, service: str, label: str) -> str:
    return (
        f'<form method="post" action="{_PLACE}/{task["id"]}/open" target="_blank" rel="noopener">'
        f'<button class="main" name="service" value="{escape(service)}">{label}</button></form>'
    )


# the start form


def _start_form(sight: ContainerPage) -> str:
    spot = " checked" if sight.form.get("spot") else ""
    services = escape(sight.form.get("services", ""))
    return f"""<form id="start" method="post" action="{_PLACE}" autocomplete="off">
<h2>Start one</h2>
{_field(sight, "name", "Name", "required maxlength=500 placeholder=lab")}
<label>Group {_groups(sight)}</label>
<div class="three">{_field(sight, "cpu", "Cores", _DEFAULT)}
{_field(sight, "memory", "Memory", 'placeholder="as 32G"')}
{_field(sight, "gpus", "GPUs", "placeholder=0")}</div>
<p class="hint">Where nodes are shared; elsewhere it has a whole node.</p>
{_field(sight, "folder", "Folder", 'placeholder="your home"')}
{_field(sight, "image", "Image", _DEFAULT, sight.images)}
{_field(sight, "environment", "Environment", _OWN, sight.environments)}
<p class="hint">A haienv that a task of yours had (the list has them), or the path of any virtual
environment: <code>haienv path NAME</code> prints that of a new one.</p>
{_field(sight, "idle", "Suspend when idle for", 'placeholder="the group&#39;s limit, or as 2h"')}
<label>Services <textarea name="services" rows="3"
placeholder="board:6006=tensorboard --logdir runs --port 6006">{services}</textarea></label>
<p class="hint">One a line: NAME:PORT, or NAME:PORT=COMMAND; NAME:PORT/tcp for port-forward.</p>
<label class="check"><input type="checkbox" name="spot" value="1"{spot}>
Spot: a whole node that nobody needs; it yields</label>
<button class="main" type="submit">Start</button></form>"""


_DEFAULT = "placeholder=default"
_OWN = 'placeholder="the platform\'s"'


def _field(
    sight: ContainerPage,
    name: str,
    label: str,
    attributes: str = "",
    offered: Sequence[str] | None = None,
) -> str:
    """`attributes` is HTML. `offered`: what the browser proposes."""
    listed, options = "", ""
    if offered is not None:
        listed = f' list="{name}s"'
        options = "".join(f'<option value="{escape(one)}"></option>' for one in offered)
        options = f'<datalist id="{name}s">{options}</datalist>'
    value = escape(sight.form.get(name, ""))
    box = f'<input name="{name}" value="{value}" {attributes}{listed}>'
    return f"<label>{label} {box}</label>{options}"


def _groups(sight: ContainerPage) -> str:
    """The one that was chosen is among them, whether or not it is known now."""
    chosen = sight.form.get("group", "")
    names = dict.fromkeys([*(name for name, _ in sight.capacity), *([chosen] if chosen else [])])
    options = "".join(
        f'<option value="{escape(name)}"{" selected" if name == chosen else ""}>{escape(name)}'
        "</option>"
        for name in names
    )
    return (
        '<select id="group" name="group"><option value="">the platform\'s choice</option>'
        f"{options}</select>"
    )
