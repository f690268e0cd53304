"""The order of one agent, as far as every test wants the same."""

from pathlib import Path
from typing import Any

UID = 64321


def order_of(folder: Path, entrypoint: str, **more: Any) -> dict[str, Any]:
    """For hai.agent.spec.WorkerSpec: rank 0 of a program in that folder."""
    return {
        "key": "7.1.0",
        "node": {"name": "n"},
        "user": "ada",
        "uid": UID,
        "task_name": "t",
        "chain_id": "c",
        "group": "g",
        "priority": "NORMAL",
        "world_size": 1,
        "token": "",
        "whole_life_state": 0,
        "log_dir": str(folder),
        "server_url": "",
        "python": "python3",
        "segment_bytes": 4096,
        "segments": 2,
        "watchdog_seconds": 1,
        "spec": {"spec": {"entrypoint": entrypoint, "workspace": str(folder)}},
        **more,
    }
