"""RESOURCE=N of `hai-cli quota set`, and what to type instead of what is none."""

import shlex
from collections.abc import Sequence

from hai.core.allowance import check_resource
from hai.core.quota import LEVELS, parse_resource
from hai.errors import InvalidInput

_NODES, _CAPABILITY = "node-", "cap:"
_EXAMPLE = "node-training-HIGH"


def is_nodes(resource: str) -> bool:
    """Of the form node-<group>-<PRIORITY>, right or wrong."""
    return resource.startswith(_NODES)


def limits_of(user: str, words: Sequence[str]) -> dict[str, int]:
    """Numbers by resource. InvalidInput says which word is wrong, why, and what to type."""
    if "=" in user:
        who = next((word for word in words if "=" not in word), "USER")
        raise InvalidInput(f"{user!r} is no user: the user comes first", hint=_typed(who, user))
    found: dict[str, int] = {}
    for at, word in enumerate(words):
        resource, equals, count = word.partition("=")
        if not equals:
            raise _no_number(user, resource, words[at + 1 :])
        if not resource:
            raise InvalidInput(
                f"{word!r} names no resource before =", hint=_typed(user, f"{_EXAMPLE}=4")
            )
        _check(user, resource)
        if not (count.isascii() and count.isdigit()):
            what = f"{count!r} is no number of it" if count else "there is no number after ="
            raise InvalidInput(
                f"{word!r} sets no limit: {what}",
                hint=f"a whole number, 0 or more: {_typed(user, f'{resource}=4')}",
            )
        if resource in found:
            raise InvalidInput(
                f"{resource} stands there twice, as {found[resource]} and as {count}",
                hint=f"name it once: {_typed(user, f'{resource}={count}')}",
            )
        found[resource] = int(count)
    return found


def _no_number(user: str, resource: str, rest: Sequence[str]) -> InvalidInput:
    """`RESOURCE N`, `RESOURCE = N`, RESOURCE alone or N alone."""
    if resource.lstrip("-").isdigit():
        return InvalidInput(
            f"{resource!r} is a number, and no resource stands before it",
            hint=_typed(user, f"{_EXAMPLE}={resource.lstrip('-')}"),
        )
    try:
        _check(user, resource)
    except InvalidInput as error:
        return error
    numbers = [word.lstrip("=") for word in rest[:2] if word.lstrip("=").isdigit()]
    number = numbers[0] if numbers else "4"
    why = "the number is joined to it by =, without spaces" if numbers else "it needs =N"
    return InvalidInput(
        f"{resource!r} sets no limit: {why}", hint=_typed(user, f"{resource}={number}")
    )


def _check(user: str, resource: str) -> None:
    try:
        if is_nodes(resource):
            parse_resource(resource)
        else:
            check_resource(resource)
    except ValueError as error:
        raise InvalidInput(str(error), hint=_instead(user, resource)) from None


def _instead(user: str, resource: str) -> str:
    if is_nodes(resource):
        levels = ", ".join(level.name for level in LEVELS)
        return f"{_typed(user, f'{_EXAMPLE}=4')}; PRIORITY is one of {levels}"
    if resource.startswith(_CAPABILITY):
        return _typed(user, "cap:IPC_LOCK=1")
    return f"{_typed(user, f'{_EXAMPLE}=4')}; or {_typed(user, 'train_environment:torch=1')}"


def _typed(user: str, limit: str) -> str:
    return f"hai-cli quota set {shlex.quote(user)} {shlex.quote(limit)}"
