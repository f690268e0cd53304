"""For servers that a test starts with this folder on their path: the time of day is off by as many
seconds as the file says that WRONG_CLOCK names. What the kernel counts stays right."""

import os
import time

_path = os.environ.get("WRONG_CLOCK", "")
_right = time.time  # noqa: TID251 (what is replaced)


def _wrong() -> float:
    try:
        with open(_path) as file:  # noqa: PTH123 (as little as possible: every program passes here)
            return _right() + float(file.read() or 0)
    except (OSError, ValueError):
        return _right()


if _path:
    time.time = _wrong  # noqa: TID251
