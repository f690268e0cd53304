"""What becomes of logs, in plain words: in the event log, and at the end of what was removed."""

RESUMED = "the disk of the logs has room again"


def stopped_text(free_bytes: int, reserve_bytes: int) -> str:
    """No log is written: the disk has less free than the platform keeps for itself."""
    return (
        f"task logs have stopped: their disk has {free_bytes >> 20:,} MiB free, and "
        f"{reserve_bytes >> 20:,} MiB of it are the platform's; the programs go on"
    )


def too_old_text(days: float) -> str:
    return f"this log was removed: logs are kept for {days:g} days after their task's end"


def too_much_text(user: str, most_bytes: int) -> str:
    return f"this log was removed: the logs of {user} had more than {most_bytes >> 20:,} MiB"


def rationed_text(user: str, total_bytes: int, most_bytes: int, each_bytes: int) -> str:
    """`each_bytes`: what one rank may keep meanwhile."""
    return (
        f"the logs of {user} have {total_bytes >> 20:,} MiB and may have {most_bytes >> 20:,} MiB: "
        f"each rank that runs keeps the last {each_bytes >> 10:,} KiB"
    )
