"""Words for Tab: task names and ids, groups, users, priorities. Silent whenever the server is."""

from typing import Any

from hai.core.types import Priority
from hai.errors import HaiError

CALL_SECONDS = 0.1  # a slower server is treated as absent: a key press must not hang


def complete_tasks(incomplete: str) -> list[str]:
    """@last, and ids and names of the caller's newest tasks."""
    tasks = _ask("tasks", "tasks", page_size=50)
    names = list(dict.fromkeys(str(task["name"]) for task in tasks))
    ids = [str(task["id"]) for task in tasks] if incomplete[:1].isdigit() else []
    return _starting([*ids, *names, "@last"], incomplete)


def complete_groups(incomplete: str) -> list[str]:
    return _starting([str(group["name"]) for group in _ask("groups", "groups")], incomplete)


def complete_nodes(incomplete: str) -> list[str]:
    return _starting([str(node["name"]) for node in _ask("nodes", "nodes")], incomplete)


def complete_users(incomplete: str) -> list[str]:
    return _starting([str(user["name"]) for user in _ask("users", "users")], incomplete)


def complete_priorities(incomplete: str) -> list[str]:
    names = [level.name for level in Priority]
    return _starting([n.lower() for n in names] if incomplete.islower() else names, incomplete)


def _starting(words: list[str], incomplete: str) -> list[str]:
    return [word for word in words if word.startswith(incomplete)]


def _ask(route: str, key: str, **params: Any) -> list[dict[str, Any]]:
    from hai.client.plain import PlainClient
    from hai.client.profile import load_profile

    try:
        answer = PlainClient(load_profile(), CALL_SECONDS).call(route, params=params)
        return list(answer[key])
    except (HaiError, KeyError, TypeError):
        return []
