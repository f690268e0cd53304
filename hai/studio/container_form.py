"""What somebody wrote into the start form, as a run document. Pure.

InvalidInput says what of it cannot be; the server checks the rest.
"""

from collections.abc import Mapping
from typing import Any

from hai.client.containers import container_document, gib_of, parse_service
from hai.core.duration import parse_seconds
from hai.core.recorded import recorded_name
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


def recorded_in(specs: list[Mapping[str, Any]]) -> Recorded:
    """The environments of run documents, the newest first."""
    found: dict[str, Mapping[str, Any]] = {}
    for spec in specs:
        options = spec.get("options") or {}
        name = recorded_name(options)
        if name:
            found.setdefault(name, {key: options[key] for key in ("py_venv", "environment")})
    return found


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
    if not text:
        return {}
    if text in recorded:
        return recorded[text]
    if text.startswith("/"):
        return {"py_venv": text}
    raise InvalidInput(
        f"none of your tasks had an environment {text!r}",
        hint="choose one from the list, or write the absolute path of a virtual environment; "
        "hai-cli dev start NAME --env ENV takes any of haienv's, and then it is here, too",
    )
