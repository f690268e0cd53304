"""How far a transfer is: a bar on a terminal, nothing anywhere else."""

import sys
import time
from collections.abc import Sequence
from typing import Any

_LEAST_SECONDS = 0.5  # what is done sooner needs no bar


class TransferProgress:
    """A bar over files. rich is loaded when there is something to show."""

    def __init__(self, what: str, paths: Sequence[str]) -> None:
        self._what = what
        self._all = len(paths)
        self._done = 0
        self._since = time.monotonic()
        self._bar: Any = None
        self._is_shown = sys.stderr.isatty()

    def __enter__(self) -> "TransferProgress":
        return self

    def __exit__(self, *_error: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def did(self, *paths: str) -> None:
        """These files are done."""
        self._done += len(paths)
        if not self._is_shown:
            return
        if self._bar is None:
            if time.monotonic() - self._since < _LEAST_SECONDS:
                return
            self._bar = self._started()
        self._bar.update(0, completed=self._done, path=paths[-1][-40:] if paths else "")

    def _started(self) -> Any:
        from rich.console import Console
        from rich.markup import escape
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

        bar = Progress(
            TextColumn(escape(self._what)),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[path]}", markup=False),
            console=Console(stderr=True),
            transient=True,
        )
        bar.add_task(self._what, total=self._all, path="")
        bar.start()
        return bar
