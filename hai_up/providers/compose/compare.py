"""What run would change of a platform that is there, in a few lines."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from hai_up.compose.options import ComposeOptions
from hai_up.compose.plan import ComposePlan, compose_folder
from hai_up.files import read_text
from hai_up.providers.compose import state as states
from hai_up.providers.compose.place import (
    FILE,
    completed,
    containers_of,
    engine_of,
    facts_of,
    plan_of,
)

Json = dict[str, Any]

NOTHING = "nothing would change"


def changes(options: ComposeOptions) -> list[str]:
    """Files, containers and rows. Of secrets nothing is told but that they differ."""
    folder = compose_folder(options.platform_path)
    state = states.load(folder)
    if state is None:
        return [f"there is no platform in {options.platform_path} yet: all of it would be made"]
    engine = engine_of(options)
    plan = plan_of(options, facts_of(options, engine, state), completed(options, state.secrets))
    there = containers_of(options, engine)
    found = [*_files(folder, plan), *_containers(folder, plan, there)]
    if state.seed != plan.seed_fingerprint:
        found.append("~ database: rows of users, quotas, images and mounts would be imported")
    return found or [NOTHING]


def _files(folder: Path, plan: ComposePlan) -> Iterator[str]:
    for name, text in plan.files.items():
        old = read_text(folder / name)
        if old != text:
            yield f"{'+' if old is None else '~'} {folder / name}"


def _containers(folder: Path, plan: ComposePlan, there: Mapping[str, Json]) -> Iterator[str]:
    old = _services(read_text(folder / FILE) or "")
    new = _services(plan.files[FILE])
    for name in plan.services:
        if name not in there:
            yield f"+ container {name}: would be made"
        elif old.get(name) != new[name]:
            yield f"~ container {name}: would be made anew"
    for name in there:
        if name not in plan.services:
            yield f"- container {name}: of an earlier config.sh, would be removed"


def _services(text: str) -> Json:
    found: Json = (yaml.safe_load(text) or {}).get("services") or {}
    return found
