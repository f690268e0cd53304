"""What an apply would change of an object, for people. Pure."""

import difflib
from collections.abc import Mapping
from typing import Any

import yaml

from hai_up.cluster.objects import name_of

Json = dict[str, Any]

SECRET, OTHER_SECRET = "(a secret)", "(another secret)"
_OF_THE_SERVER = (
    "managedFields",
    "resourceVersion",
    "generation",
    "uid",
    "creationTimestamp",
    "selfLink",
)


def difference(before: Json, after: Json) -> str:
    """A unified diff; "" when nothing would change. Nothing of a Secret's values is shown."""
    old, new = _plain(before), _plain(after)
    if after["kind"] == "Secret":
        old["data"], new["data"] = _masked(old.get("data") or {}, new.get("data") or {})
    name = name_of(after)
    lines = difflib.unified_diff(
        _lines(old), _lines(new), f"cluster/{name}", f"config.sh/{name}", n=2, lineterm=""
    )
    return "".join(f"{line}\n" for line in lines)


def _plain(item: Json) -> Json:
    """Without what the server alone writes."""
    metadata = {k: v for k, v in item["metadata"].items() if k not in _OF_THE_SERVER}
    rest = {k: v for k, v in item.items() if k not in ("status", "metadata", "kind", "apiVersion")}
    return {"metadata": metadata, **rest}


def _masked(old: Mapping[str, str], new: Mapping[str, str]) -> tuple[Json, Json]:
    changed = {
        name: OTHER_SECRET if old.get(name) != text else SECRET for name, text in new.items()
    }
    return dict.fromkeys(old, SECRET), changed


def _lines(item: Json) -> list[str]:
    return yaml.safe_dump(item, sort_keys=True).splitlines()
