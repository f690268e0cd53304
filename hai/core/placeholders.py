"""`{user.user_name}` and the like in rows: fixed names, each replaced by one plain value.

Nothing is evaluated: a name that is not listed here is refused when the row is written.
"""

import re
from collections.abc import Mapping

NAMES = (
    "user.user_name",
    "user.user_id",
    "user.role",
    "user.shared_group",
    "user.nick_name",
    "task.id",
    "task.nb_name",
    "task.user_name",
    "task.chain_id",
    "task.task_type",
    "task.group",
    "task.nodes",
    "task.mount_code",
    "task.priority",
    "task.rank",
    "node.name",
    "node.group",
)

Facts = Mapping[str, str]
"""The value of every name."""

HOLE = re.compile(r"\{([^{}]*)\}")
_MOST_BYTES = 255  # of one component of a path


def names_in(text: str) -> list[str]:
    """The placeholders of `text`; ValueError for one that is not known, or a stray brace."""
    found = [match.group(1) for match in HOLE.finditer(text)]
    for name in found:
        if name not in NAMES:
            raise ValueError(f"{{{name}}} is no placeholder; there are {', '.join(NAMES)}")
    if set("{}") & set(HOLE.sub("", text)):
        raise ValueError(f"{text!r} has a brace without its partner")
    return found


def filled(text: str, facts: Facts) -> str:
    """`text` with every placeholder replaced, once: what a value contains is not looked at again.

    ValueError for a value that could lead out of its place in a path.
    """

    def value_of(match: re.Match[str]) -> str:
        name = match.group(1)
        value = facts[name]
        if not is_component(value):
            raise ValueError(f"{{{name}}} is {value!r} here, and that cannot be part of a path")
        return value

    names_in(text)
    return HOLE.sub(value_of, text)


def is_component(value: str) -> bool:
    """Whether the value can stand between two slashes and name nothing else than itself."""
    return (
        0 < len(value.encode("utf-8", "surrogateescape")) <= _MOST_BYTES
        and value not in (".", "..")
        and value.isprintable()
        and not set("/\\:") & set(value)
    )
