"""Accounts that dashboards run under when Studio is root: nobody's, and a different one for each,
so that none of them can look into another or into what root owns."""

import os
import stat
import sys
from pathlib import Path

import hai

_FIRST = 61_184  # of the range that systemd keeps for dynamic users: no account of a person's
_COUNT = 4_000


class Accounts:
    """Numbers that are lent and given back. Without root, or where other accounts cannot read this
    program, there are none: `why` says so in the latter case."""

    def __init__(self, *, is_root: bool | None = None) -> None:
        self._is_root = os.geteuid() == 0 if is_root is None else is_root
        hidden = _hidden() if self._is_root else None
        self.why = "" if hidden is None else f"other accounts cannot read {hidden}"
        self._lent: set[int] = set()

    def lend(self) -> int | None:
        """None: as whom Studio runs."""
        if not self._is_root or self.why:
            return None
        found = next(n for n in range(_FIRST, _FIRST + _COUNT) if n not in self._lent)
        self._lent.add(found)
        return found

    def give_back(self, account: int | None) -> None:
        if account is not None:
            self._lent.discard(account)


def _hidden() -> Path | None:
    """What a dashboard needs and an account without rights does not get to."""
    for path in (Path(sys.executable), Path(os.path.realpath(sys.executable)), Path(hai.__file__)):
        for part in path.parents:
            if not part.stat().st_mode & stat.S_IXOTH:
                return part
        if not path.stat().st_mode & stat.S_IROTH:
            return path
    return None
