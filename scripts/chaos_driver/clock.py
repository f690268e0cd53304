"""A clock that can jump: what `time.time()` says in the Python programs that are started under it.

Nobody else's clock changes, no right is needed, and monotonic clocks go on as they do in a machine
whose clock is set.
"""

from pathlib import Path

from hai.files import write_whole

# Python runs it at the start of every program that finds it on its path.
_CUSTOMISE = """
import time

_true, _path = time.time, {path!r}


def _time():
    try:
        with open(_path) as file:
            return _true() + float(file.read())
    except (OSError, ValueError):
        return _true()


time.time = _time
"""


class JumpingClock:
    """`variables` is the environment of programs that live by it."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        folder.chmod(0o711)
        self._offset = folder / "offset"
        self.variables = {"PYTHONPATH": str(folder)}
        self.set(0.0)
        text = _CUSTOMISE.format(path=str(self._offset))
        (folder / "sitecustomize.py").write_text(text)

    def set(self, offset_seconds: float) -> None:
        """From now on, everywhere."""
        write_whole(self._offset, f"{offset_seconds}\n", mode=0o644)
