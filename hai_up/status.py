"""Whether the platform of a data folder runs, and how it is."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from hai import __version__
from hai.core.moments import rfc3339
from hai.errors import HaiError, InvalidInput
from hai.wording.phrases import span
from hai_up.api import ACTIVE, WAITING, Api
from hai_up.config import masked
from hai_up.database import database_of
from hai_up.layout import Layout
from hai_up.plan import url_of
from hai_up.process import Process, find_server, has_stale_pid
from hai_up.state import State, load_state
from hai_up.studio import answers, find_studio
from hai_up.workers import live_agents

SCHEMA_VERSION = 1
RUNNING, BROKEN, NOT_RUNNING = "running", "broken", "not running"
EXIT_OF = {RUNNING: 0, BROKEN: 1, NOT_RUNNING: 3}


def status_of(layout: Layout) -> dict[str, Any]:
    """All facts as JSON values; `status` is "running", "broken" or "not running"."""
    facts: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "status": NOT_RUNNING,
        "why": "",
        "data_dir": str(layout.root),
        "log": str(layout.log),
    }
    state = load_state(layout)
    if state is None:
        return {**facts, "why": "hai-up run has not been used with this folder"}
    facts |= {"url": url_of(state.host, state.port), "version": state.version}
    facts |= {"database": _database(layout, state), "workers": len(live_agents(layout))}
    facts["studio"] = _studio(layout, state)
    server = find_server(layout)
    if server is None:
        ended = "the server ended without hai-up down; hai-up run starts it again"
        why = ended if has_stale_pid(layout) else ""
        return {**facts, "why": why}
    return facts | _server(layout, state, server)


def _database(layout: Layout, state: State) -> dict[str, str]:
    database = database_of(layout, state.database_url)
    where = masked(state.database_url) or str(layout.postgres)
    status = RUNNING if database.is_running() else NOT_RUNNING
    return {"kind": database.kind, "status": status, "where": where}


def _studio(layout: Layout, state: State) -> dict[str, str]:
    """`url` only while it answers."""
    if find_studio(layout) is None:
        return {"status": NOT_RUNNING if state.studio else "off"}
    url = url_of(state.host, state.studio_port)
    return {"status": RUNNING, "url": url} if answers(url) else {"status": BROKEN}


def _server(layout: Layout, state: State, server: Process) -> dict[str, Any]:
    facts: dict[str, Any] = {"pid": server.pid, "since": _since(layout)}
    with Api(url_of(state.host, state.port), state.token) as api:
        ready = api.readiness()
        if not ready:
            why = "does not answer" if ready is None else "is not ready"
            return {
                **facts,
                "status": BROKEN,
                "why": f"the server {why}: hai-up run, or hai-up logs",
            }
        try:
            facts["version"] = api.whoami()["server_version"]
            if facts["version"] != __version__:
                facts["installed"] = __version__
            facts["nodes"] = _nodes(api.nodes())
            facts |= facts_of_platform(api.platform())
            facts["tasks"] = {"active": api.count(*ACTIVE), "waiting": api.count(*WAITING)}
        except HaiError as error:
            return {**facts, "status": BROKEN, "why": error.message}
    return {**facts, "status": RUNNING}


def facts_of_platform(told: Mapping[str, Any]) -> dict[str, Any]:
    """`paused_seconds` while it starts nothing, `clock` once the machine's clock was set, `logs`
    while there is no room for those of tasks."""
    facts: dict[str, Any] = {}
    if told["paused_seconds"] > 0:
        facts["paused_seconds"] = told["paused_seconds"]
    jump = told["clock_jump"]
    if jump is not None:
        where = "ahead" if jump["seconds"] > 0 else "back"
        facts["clock"] = f"jumped {where} by {span(abs(jump['seconds']))} at {jump['at'][:19]}Z"
    disk = told.get("log_disk") or {}
    if disk.get("why"):
        facts["logs"] = disk["why"]
    return facts


def _nodes(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Counts; where nodes take no work, as on a full disk, also how many, and what the first of
    them says."""
    facts: dict[str, Any] = {
        "total": len(rows),
        "free": sum(node["status"] == "free" for node in rows),
    }
    unused = [node for node in rows if node["health"] != "ready"]
    if unused:
        said = [unused[0]["health"], unused[0]["health_why"]]
        facts["out_of_use"] = len(unused)
        facts["why"] = f"{unused[0]['name']} {': '.join(filter(None, said))}"
    return facts


def _since(layout: Layout) -> str | None:
    """The pid file is written when the server starts."""
    try:
        seconds = layout.pid.stat().st_mtime
    except FileNotFoundError:
        return None
    return rfc3339(seconds, "seconds")


def rendered(facts: dict[str, Any], output: str) -> str:
    """`output` is "table", "json" or "yaml"."""
    if output == "json":
        return json.dumps(facts, indent=2)
    if output == "yaml":
        return yaml.safe_dump(facts, sort_keys=False)
    if output != "table":
        raise InvalidInput(f"unknown output {output!r}", hint="-o table, json or yaml")
    return "\n".join(f"{name:<10}{value}" for name, value in _rows(facts) if value)


def rendered_parts(facts: dict[str, Any], output: str) -> str:
    """Of a deployment: its facts, and a line for each of its parts."""
    if output in ("json", "yaml"):
        return rendered(facts, output)
    shown = dict(facts)
    if "paused_seconds" in shown:
        shown["paused"] = _of_pause(shown.pop("paused_seconds"))
    rows = [(k, str(v)) for k, v in shown.items() if k not in ("schema_version", "parts")]
    return "\n".join(f"{name:<14}{word}" for name, word in (*rows, *facts["parts"].items()))


def _rows(facts: dict[str, Any]) -> list[tuple[str, str]]:
    why = f" ({facts['why']})" if facts["why"] else ""
    database, nodes, tasks = (facts.get(key, {}) for key in ("database", "nodes", "tasks"))
    pid = f"pid {facts['pid']}" if "pid" in facts else ""
    since = f", since {facts['since']}" if facts.get("since") else ""
    return [
        ("status", facts["status"] + why),
        ("url", facts.get("url", "")),
        ("version", _of_version(facts)),
        ("server", pid + since),
        ("studio", " ".join(facts.get("studio", {}).values())),
        ("database", "{status}, {kind}: {where}".format(**database) if database else ""),
        ("paused", _of_pause(facts["paused_seconds"]) if "paused_seconds" in facts else ""),
        ("clock", facts.get("clock", "")),
        ("logs", facts.get("logs", "")),
        ("nodes", _of_nodes(nodes) if nodes else ""),
        ("tasks", "{active} active, {waiting} waiting".format(**tasks) if tasks else ""),
        ("workers", str(facts.get("workers") or "")),
        ("data", facts["data_dir"]),
        ("log", facts["log"]),
    ]


def _of_version(facts: Mapping[str, Any]) -> str:
    version = str(facts.get("version", ""))
    return version + (f" ({other_build(facts['installed'])})" if "installed" in facts else "")


def other_build(installed: str) -> str:
    """What to do about a server that is not the one that is installed."""
    return f"not {installed}, which is installed: hai-up upgrade starts that one"


def _of_pause(seconds: float) -> str:
    return (
        f"starts nothing for {span(seconds)}: hai-up down is under way, or was interrupted "
        "(hai-up run lets it go on)"
    )


def _of_nodes(nodes: Mapping[str, Any]) -> str:
    text = "{total}, {free} free".format(**nodes)
    return text + (", {out_of_use} out of use ({why})".format(**nodes) if "why" in nodes else "")
