"""Reasons as JSON data: what clients are told and what the decision log keeps.

Names and forms are those that earlier versions wrote: levels by name, ids of mappings as text, and
what is not known left out.
"""

from collections.abc import Mapping
from dataclasses import fields
from enum import Enum

from hai.core.container_quota import ContainerLimits
from hai.core.reasons.kinds import Containers, Holders, Reason
from hai.core.resources import Resources
from hai.core.types import Priority


def evidence(reason: Reason) -> dict[str, object]:
    """What the reason rests on."""
    return _data(reason)


def encode_reason(reason: Reason) -> dict[str, object]:
    return {"code": reason.code.value, **_data(reason)}


def _data(value: Reason | Holders) -> dict[str, object]:
    data: dict[str, object] = {}
    for field in fields(value):
        part = getattr(value, field.name)
        if part is None or part is False:
            continue
        if isinstance(part, Holders):  # their fields stand beside the others
            data |= _data(part)
        else:
            data[field.name] = _plain(part)
    return data


def _plain(value: object) -> object:
    if isinstance(value, Resources | ContainerLimits | Containers):
        return value.as_data()
    if isinstance(value, Priority):
        return value.name
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, tuple):
        return list(value)
    if isinstance(value, Mapping):
        return {str(key): one for key, one in value.items()}
    return value
