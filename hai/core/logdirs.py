"""Where the logs of an attempt are: <log dir>/<task>/<attempt>, for whoever writes and reads them.

The log dir may have one folder for each user: `/logs/{user_name}/tasks`.
"""

from pathlib import Path

from hai.core.placeholders import is_component

USER = "{user_name}"


def check_log_dir(log_dir: Path) -> None:
    """ValueError for a placeholder other than {user_name}, or one that comes twice."""
    plain = str(log_dir).replace(USER, "", 1)
    if set("{}") & set(plain):
        raise ValueError(f"{str(log_dir)!r}: the only placeholder is {USER}, once")
    if ".." in log_dir.parts:
        raise ValueError(f"{str(log_dir)!r} leads back with ..")


def is_user_part(user: str) -> bool:
    """Whether a user of that name can have a folder of logs."""
    return is_component(user)


def attempt_dir(log_dir: Path, user: str, task_id: int, attempt: int) -> Path:
    """ValueError when the user's name cannot be a part of a path."""
    if USER in str(log_dir):
        if not is_component(user):
            raise ValueError(f"{user!r} cannot be part of a path")
        log_dir = Path(str(log_dir).replace(USER, user))
    return log_dir / str(task_id) / str(attempt)


def common_dir(log_dir: Path) -> Path:
    """The innermost folder that all users' logs have in common."""
    for folder in (log_dir, *log_dir.parents):
        if USER not in str(folder):
            return folder
    return log_dir
