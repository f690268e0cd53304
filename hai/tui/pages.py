"""Whole pages of text: one task, why it waits, a document. Pure."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from hai.core.duration import age_of
from hai.core.resources import NAMES
from hai.tui.chart import stretches
from hai.tui.glyphs import Glyphs
from hai.tui.model import DashboardTask
from hai.tui.present import ROLES, next_of
from hai.tui.text import (
    Line,
    at_of,
    clock_of,
    count_of,
    cut,
    fit,
    printable,
    size_of,
    wrapped,
)
from hai.wording.amounts import amounts

_OUTCOMES = {
    "succeeded": "run",
    "failed": "bad",
    "stopped": "dim",
    "suspended-clean": "held",
    "suspended-dirty": "warn",
    "node-lost": "bad",
}


def task_page(
    detail: Mapping[str, Any],
    events: Sequence[Mapping[str, Any]],
    row: DashboardTask | None,
    now: float,
    width: int,
    glyphs: Glyphs,
) -> list[Line]:
    """Facts, timeline, attempts, workers, services and events of one task."""
    lines = _facts(detail, row, now, width)
    lines += _section("timeline") + timeline_lines(detail, now, width, glyphs)
    lines += _attempts(detail, now, width)
    lines += _workers(detail, now, width)
    lines += _services(detail)
    lines += _section(f"events ({len(events)})")
    lines += [_event_line(event, width) for event in reversed(events)]
    return lines


def _section(title: str) -> list[Line]:
    return [[], [(title.upper(), "head")]]


def _fact(name: str, text: str, role: str = "") -> Line:
    return [(f"{name:<10}", "dim"), (text, role)]


def _facts_of(name: str, text: str, width: int, role: str = "") -> list[Line]:
    """One that may be long, in as many lines as it takes."""
    first, *rest = wrapped(text, max(20, width - 10))
    return [_fact(name, first, role), *(_fact("", line, role) for line in rest)]


def _facts(
    detail: Mapping[str, Any], row: DashboardTask | None, now: float, width: int
) -> list[Line]:
    state = str(detail["state"])
    held = " (held until resumed)" if detail.get("held") else ""
    level = detail.get("level")
    charged = f", charged at {level}" if level and level != detail["priority"] else ""
    lines = [
        _fact("state", f"{state}{held}", ROLES.get(state, "")),
        _fact("user", printable(str(detail["user"]))),
    ]
    asked = f"{_asked(detail)} of {printable(detail['group'])} at {detail['priority']}{charged}"
    lines += _facts_of("asks for", asked, width)
    lines += _reason_lines(detail, row, width)
    following, role = next_of(row, now) if row else ("", "")
    if following:
        lines.append(_fact("next", following, role))
    lines += _use_lines(detail, now, width)
    submitted = at_of(detail["submitted_at"])
    lines.append(
        _fact("submitted", f"{clock_of(submitted, date=True)}, {_ago(submitted, now)} ago")
    )
    times = count_of(detail["suspend_count"], "time")
    counts = f"{count_of(detail['attempts'], 'attempt')}, suspended {times}"
    lines.append(_fact("so far", counts))
    if detail.get("exit_code") is not None:
        code = detail["exit_code"]
        lines.append(_fact("exit code", str(code), "bad" if code else "run"))
    if detail.get("assigned_nodes"):
        lines.append(_fact("on", cut(" ".join(detail["assigned_nodes"]), max(10, width - 10))))
    return lines


def _asked(detail: Mapping[str, Any]) -> str:
    """Nodes, or a part of one that others share."""
    part = detail.get("asks")
    if not part:
        return count_of(detail["nodes"], "node")
    names = [name for name in NAMES if name != "gpus" or part.get("gpus")]
    return f"{amounts(part, names)} of a node"


def _reason_lines(detail: Mapping[str, Any], row: DashboardTask | None, width: int) -> list[Line]:
    reason = detail.get("reason") or {}
    text = printable(str(reason.get("text") or detail.get("why") or ""))
    if not text:
        return []
    place = f" (number {row.position} in its line)" if row and row.position else ""
    return _facts_of("why", text + place, width, "wait" if reason else "")


def _use_lines(detail: Mapping[str, Any], now: float, width: int) -> list[Line]:
    """Of a dev container: the countdown, and each sign of use."""
    idle = detail.get("idle")
    if not idle:
        return []
    stops_at = at_of(idle.get("stops_at"))
    notice = float(idle.get("notice_seconds") or 0.0)
    is_near = stops_at is not None and stops_at - now <= notice
    told = [str(idle["text"]), *map(str, idle["lines"])]
    pieces = [piece for text in told for piece in wrapped(printable(text), max(20, width - 10))]
    first, *rest = pieces
    return [
        _fact("use", first, "warn" if is_near else ""),
        *(_fact("", piece, "dim") for piece in rest),
    ]


def _ago(at: float | None, now: float) -> str:
    return "-" if at is None else age_of(now - at)


def timeline_lines(detail: Mapping[str, Any], now: float, width: int, glyphs: Glyphs) -> list[Line]:
    """A bar of the task's life: waiting, starting, running, suspended; with its two ends."""
    start = at_of(detail["submitted_at"]) or now
    end = max(at_of(detail.get("ended_at")) or now, start + 1)
    spans = [(start, end, "wait")]
    for attempt in detail.get("attempt_list") or ():
        created = at_of(attempt["created_at"]) or start
        started, ended = at_of(attempt.get("started_at")), at_of(attempt.get("ended_at"))
        spans.append((created, started or ended or end, "start"))
        if started is not None:
            spans.append((started, ended or end, "run"))
        if ended is not None and ended < end:
            spans.append((ended, end, "held"))
    marks = {"wait": glyphs.dot, "start": glyphs.rest, "run": glyphs.full, "held": glyphs.empty}
    columns = stretches(spans, start, end, max(10, width))
    bar: Line = [(marks.get(role, " "), role) for role in columns]
    left, right = clock_of(start), clock_of(end)
    ends = left + " " * max(1, max(10, width) - len(left) - len(right)) + right
    key: Line = []
    for role, word in (("wait", "waits"), ("start", "starts"), ("run", "runs"), ("held", "away")):
        key += [(marks[role], role), (f" {word}  ", "dim")]
    return [bar, [(ends, "dim")], key]


def _attempts(detail: Mapping[str, Any], now: float, width: int) -> list[Line]:
    attempts = detail.get("attempt_list") or ()
    if not attempts:
        return []
    lines = _section("attempts")
    for attempt in reversed(attempts):
        begun = at_of(attempt.get("started_at") or attempt["created_at"])
        ended = at_of(attempt.get("ended_at"))
        outcome = attempt.get("outcome") or ("runs" if attempt.get("started_at") else "starts")
        ran = age_of((ended or now) - (begun or now))
        head = f"{attempt['number']:>3}  {clock_of(begun)}  {ran:>6}  "
        text = f"{outcome}"
        why = printable(str(attempt.get("why") or ""))
        line: Line = [(head, ""), (fit(text, 16), _OUTCOMES.get(text, "run"))]
        line.append((cut(f"{attempt['priority']}  {why}", max(8, width - len(head) - 16)), "dim"))
        lines.append(line)
    return lines


def _workers(detail: Mapping[str, Any], now: float, width: int) -> list[Line]:
    attempts = detail.get("attempt_list") or ()
    if not attempts:
        return []
    lines = _section("workers of the last attempt")
    for worker in attempts[-1]["workers"]:
        code = worker.get("exit_code")
        since = _ago(at_of(worker.get("started_at")), now)
        text = f"{worker['rank']:>4}  {fit(str(worker['node']), 18)} "
        line: Line = [(text, ""), (fit(str(worker["state"]), 9), _worker_role(worker))]
        line.append((f"{since:>6}  ", "dim"))
        line.append(("" if code is None else f"exit {code}  ", "bad" if code else "dim"))
        line.append((usage_text(worker.get("usage") or {}), "run"))
        line.append((f"  {printable(str(worker.get('detail') or ''))}", "warn"))
        lines.append(line)
    return lines


def _services(detail: Mapping[str, Any]) -> list[Line]:
    """What listens or runs beside the program, where the server knows of it."""
    services = detail.get("services") or ()
    lines = _section("services") if services else []
    for one in services:
        port = f"port {one['port']}  " if one.get("port") else ""
        text = f"{one['rank']:>4}  {fit(printable(str(one['name'])), 18)} "
        line: Line = [(text, ""), (fit(str(one["state"]), 9), _service_role(one))]
        line.append((f" {one['type']}  {port}", "dim"))
        if one.get("exit_code") is not None:
            line.append((f"exit {one['exit_code']}  ", "bad" if one["exit_code"] else "dim"))
        if one.get("starts", 0) > 1:
            line.append((f"{one['starts']} starts", "dim"))
        lines.append(line)
    return lines


def _service_role(service: Mapping[str, Any]) -> str:
    return {"running": "run", "waiting": "start", "stopping": "start"}.get(service["state"], "dim")


def _worker_role(worker: Mapping[str, Any]) -> str:
    if worker["state"] == "lost" or worker.get("exit_code"):
        return "bad"
    return {"running": "run", "ready": "start", "created": "start"}.get(worker["state"], "dim")


def usage_text(usage: Mapping[str, float]) -> str:
    """cpu 103 %, mem 1.2G, gpu 97 %: what is known of it."""
    parts = []
    if "cpu_percent" in usage:
        parts.append(f"cpu {usage['cpu_percent']:.0f} %")
    if "memory_bytes" in usage:
        parts.append(f"mem {size_of(usage['memory_bytes'])}")
    if "gpu_percent" in usage:
        parts.append(f"gpu {usage['gpu_percent']:.0f} %")
    elif usage.get("gpus"):
        parts.append("gpu unknown")
    if "gpu_memory_bytes" in usage:
        parts.append(f"gpu mem {size_of(usage['gpu_memory_bytes'])}")
    return ", ".join(parts)


def _event_line(event: Mapping[str, Any], width: int) -> Line:
    kind = str(event["kind"]).removeprefix("task.")
    text = f"{clock_of(at_of(event['at']), date=True)}  "
    why = printable(str(event.get("why") or ""))
    tail = cut(f"{printable(str(event['actor']))}  {why}", max(8, width - len(text) - 18))
    return [(text, "dim"), (fit(kind, 18), ROLES.get(kind, "")), (tail, "dim")]


def why_page(answer: Mapping[str, Any], width: int) -> list[Line]:
    """The answer of /why: the verdict, its evidence, what would change it."""
    lines: list[Line] = [[(line, "title")] for line in wrapped(str(answer.get("text", "")), width)]
    for text in answer.get("lines") or ():
        lines += [[(line, "")] for line in wrapped(printable(str(text)), width)]
    estimate = answer.get("estimate") or {}
    if estimate.get("earliest"):
        told = f"{_span(estimate)} ({printable(str(estimate.get('basis', '')))})"
        lines += [[], *_facts_of("may start", told, width)]
    changes = answer.get("counterfactuals") or ()
    if changes:
        lines += _section("what would change it")
    for change in changes:
        mark, role = ("now    ", "run") if change.get("starts_now") else ("not yet", "dim")
        text = printable(str(change.get("text") or change.get("change")))
        head, *rest = wrapped(text, max(20, width - 10))
        lines.append([(f"{mark}  ", role), (head, "")])
        lines += [[(" " * 9 + line, "")] for line in rest]
        lines += [[(" " * 9 + line, "warn")] for line in losses(change.get("suspends") or ())]
    return lines


def losses(suspends: Sequence[Mapping[str, Any]]) -> list[str]:
    """Who would be suspended for it, and what they would lose."""
    return [
        f"suspends task {victim['task_id']} {printable(str(victim.get('name', '')))} of "
        f"{printable(str(victim.get('user', '')))}, which loses "
        f"{age_of(float(victim.get('lost_seconds') or 0))} of work"
        for victim in suspends
    ]


def _span(estimate: Mapping[str, Any]) -> str:
    """From when to when; without a latest time the earliest is a lower bound."""
    earliest, latest = (at_of(estimate.get(key)) for key in ("earliest", "latest"))
    if latest is None:
        return f"not before {clock_of(earliest)}"
    return f"{clock_of(earliest)} to {clock_of(latest)}"


_SECRET = re.compile(r"token|secret|passw|credential|api_?key|private_?key", re.IGNORECASE)


def without_secrets(value: Any, name: str = "") -> Any:
    """A document whose values with telling names are hidden: people look over shoulders."""
    if isinstance(value, Mapping):
        return {key: without_secrets(item, str(key)) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [without_secrets(item, name) for item in value]
    return "(hidden)" if isinstance(value, str) and value and _SECRET.search(name) else value


def document_page(text: str, width: int) -> list[Line]:
    """YAML or any other text, keys in colour; long lines are wrapped."""
    lines: list[Line] = []
    for raw in text.splitlines():
        head, colon, _ = raw.partition(":")
        is_key = bool(colon) and head.strip(" -").replace("_", "").isalnum()
        for number, piece in enumerate(wrapped(printable(raw), width) if raw else [""]):
            if number == 0 and is_key and piece.startswith(head):
                lines.append([(head + ":", "key"), (piece[len(head) + 1 :], "")])
            else:
                lines.append([(piece, "")])
    return lines
