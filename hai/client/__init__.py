"""HAI for Python programs: the in-task SDK and experiments by name, under the names users know.

    from hai import client
    if client.receive_suspend_command():
        save(...); client.go_suspend()

Everything is loaded on first use. The in-task part (training.py) is standard library only and runs
on Python >= 3.8, also where HAI is not installed; the rest needs the installed package.
"""

import time as _time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from hai.client.training import (
        EXP_PRIORITY,
        WARN_TYPE,
        ClientError,
        bind_hf_except_hook,
        checkpoint_saved,
        disable_warn,
        get_whole_life_state,
        go_suspend,
        nb_name,
        node_name,
        rank,
        receive_suspend_command,
        self_health_check,
        set_priority,
        set_watchdog_time,
        set_whole_life_state,
        task_id,
        user_name,
    )

IMPORTED_AT = _time.monotonic()  # monotonic seconds; simulated suspends count from here

__all__ = [
    "EXP_PRIORITY",
    "WARN_TYPE",
    "ClientError",
    "Experiment",
    "bind_hf_except_hook",
    "checkpoint_saved",
    "create_experiment",
    "create_experiment_v2",
    "disable_warn",
    "get_experiment",
    "get_experiments",
    "get_whole_life_state",
    "go_suspend",
    "nb_name",
    "node_name",
    "rank",
    "receive_suspend_command",
    "self_health_check",
    "set_priority",
    "set_watchdog_time",
    "set_whole_life_state",
    "task_id",
    "user_name",
]
_EXPERIMENTS = frozenset(
    {
        "Experiment",
        "create_experiment",
        "create_experiment_v2",
        "get_experiment",
        "get_experiments",
    }
)


def __getattr__(name: str) -> "Any":
    if name not in __all__:
        raise AttributeError(f"module 'hai.client' has no attribute {name!r}")
    import importlib

    module_name = "hai.client." + ("experiments" if name in _EXPERIMENTS else "training")
    value = getattr(importlib.import_module(module_name), name)
    globals()[name] = value
    return value


def __dir__() -> "list[str]":
    return sorted([*globals(), *__all__])
