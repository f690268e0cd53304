"""What an estimate of a start goes by, in plain words."""

from collections.abc import Mapping
from typing import assert_never

from hai.core.forecast import MOST_AHEAD, Basis, Grounds, Outlook

_NAMES: Mapping[Basis, str] = {
    Basis.LIMIT: "its time limit",
    Basis.NAME: "earlier runs of that name",
    Basis.USER: "its user's earlier runs",
    Basis.GROUP: "earlier runs in the group",
    Basis.NOTHING: "nothing",
}


def basis_text(grounds: Grounds) -> str:
    """To stand behind the estimate, in brackets."""
    told = _outlook(grounds)
    if grounds.ahead is None:
        return told
    return f"{told}; only the first {MOST_AHEAD:,} of {grounds.ahead:,} ahead were looked at"


def _outlook(grounds: Grounds) -> str:
    is_one = grounds.unknown == 1
    match grounds.outlook:
        case Outlook.OUT_OF_SERVICE:
            return "it needs nodes that are out of service or not there"
        case Outlook.OVER_QUOTA:
            return "it needs a larger quota"
        case Outlook.NO_BASIS:
            whose = "the task that runs ends" if is_one else "one of those that run ends"
            return f"no basis: no start in sight before {whose}, and nobody knows when"
        case Outlook.NO_ROOM:
            return (
                "no basis: nobody is made to leave a shared node, and nobody knows when one of "
                "those there ends or is idle for too long"
            )
        case Outlook.BY_SLICES:
            whose = "the task that runs" if is_one else "the tasks that run"
            told = f"by slices at the latest: nobody knows how long {whose} will take"
            return f"{told}; if nobody else comes"
        case Outlook.NOT_IN_SIGHT:
            return f"{_running_times(grounds)}; no start in sight before then"
        case Outlook.MUCH_LONGER:
            return f"{_running_times(grounds)}; it may take much longer"
        case Outlook.IF_NOBODY_COMES:
            return f"{_running_times(grounds)}; if nobody else comes"
        case _:
            assert_never(grounds.outlook)


def _running_times(grounds: Grounds) -> str:
    parts = [f"{_NAMES[basis]} ({count})" for basis, count in grounds.counts]
    told = f"running times by {', '.join(parts)}" if parts else "no other task has to end for it"
    if grounds.unknown:
        told += f"; {grounds.unknown} of unknown length count as running on"
    return told
