"""What somebody wrote into the start form, as a run document. Pure.

InvalidInput says what of it cannot be; the server checks the rest.
"""

from collections.abc import Mapping, Sequence
from shlex import quote
from typing import Any

from hai.client.containers import container_document, gib_of, parse_service
from hai.core.duration import parse_seconds
from hai.errors import InvalidInput

Form = Mapping[str, str]
Recorded = Mapping[str, Mapping[str, Any]]
"""Options that name an environment, by what people see of it."""


def document_of(form: Form, recorded: Recorded) -> dict[str, Any]:
    """`recorded`: the environments that this user's tasks had."""
    name = form.get("name", "")
    if not name:
        raise InvalidInput("a dev container needs a name", hint="for example lab")
    document = container_document(name, form.get("folder", ""), {})
    document["resource"].update(_resource(form))
    document["options"].update(_environment(form.get("environment", ""), recorded))
    if form.get("idle"):
        document["options"]["idle_seconds"] = seconds_of(form["idle"])
    lines = [line.strip() for line in form.get("services", "").splitlines()]
    document["services"] = [parse_service(line) for line in lines if line]
    return document


def seconds_of(text: str) -> float:
    """Of a time as 2h; InvalidInput for none."""
    try:
        seconds = parse_seconds(text)
    except ValueError:
        seconds = 0.0
    if seconds < 1:
        raise InvalidInput(f"{text!r} is no time", hint="write 30m, 2h or 1d")
    return seconds


def recorded_in(environments: Sequence[Mapping[str, Any]]) -> Recorded:
    """What the platform tells of the environments of one's tasks, the last used first."""
    return {one["label"]: one["options"] for one in environments}


def _resource(form: Form) -> dict[str, Any]:
    """What was filled in; the platform's defaults stand for the rest."""
    found: dict[str, Any] = {}
    for field, key in (("group", "group"), ("image", "image")):
        if form.get(field):
            found[key] = form[field]
    if form.get("cpu"):
        found["cpu"] = _number("cores", form["cpu"], least=0.001)
    if form.get("memory"):
        found["memory"] = gib_of(form["memory"], "memory")
    if form.get("gpus"):
        gpus = _number("GPUs", form["gpus"], least=0)
        if gpus != int(gpus):
            raise InvalidInput(f"{form['gpus']!r} is no number of GPUs", hint="write 1 or 2")
        found["gpu"] = int(gpus)
    if form.get("spot"):
        found["is_spot"] = True
    return found


def _number(what: str, text: str, least: float) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not least <= value <= 1e6:
        raise InvalidInput(
            f"{text!r} is no number of {what}", hint=f"write a number from {least:g}"
        )
    return value


def _environment(text: str, recorded: Recorded) -> Mapping[str, Any]:
    """By a name of the list, in full or in part: `vision`, `vision[ann]`; or by a path. Of several
    with the same name it is the one that was used last."""
    if not text:
        return {}
    if text.startswith("/"):
        return {"py_venv": text}
    for label, options in recorded.items():
        if text == label or label.startswith((f"{text}[", f"{text} ")):
            return options
    raise InvalidInput(
        f"none of your last tasks had an environment {text!r}, so the platform does not know it",
        hint=f"write its path, which `haienv path {quote(text)}` prints, or use it once with "
        f"`hai-cli dev start NAME --env {quote(text)}`: then it is in the list",
    )
