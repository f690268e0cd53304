"""How reasons, predictions and estimates are told to people. Pure: `now` is given."""

from collections.abc import Mapping
from typing import Any

from hai.cli.grammar import parse_time
from hai.console.output import Column, ListLayout
from hai.console.terminal import printable
from hai.schema.why import WhyView
from hai.wording.phrases import span

View = Mapping[str, Any]


def tell_why(view: View, now: float) -> list[str]:
    """The lines of a WhyView: the sentence, what adds to it, what would help, the estimate."""
    lines = [str(view["text"]), *(f"  {line}" for line in view["lines"])]
    found = view["counterfactuals"]
    if found:
        lines.append("what would help, tried on the scheduler as it stands now:")
        lines += [f"  {one['text']}" for one in found]
    if view["estimate"] is not None:
        lines.append(f"estimated start: {estimate_text(view['estimate'], now)}")
    return [printable(line) for line in lines]


def estimate_text(estimate: View, now: float) -> str:
    """ "in 12 min to 40 min (going by ...)"."""
    earliest, latest = (parse_time(estimate.get(key)) for key in ("earliest", "latest"))
    return f"{_when(earliest, latest, now)} ({estimate['basis']})"


def _when(earliest: float | None, latest: float | None, now: float) -> str:
    if earliest is None:
        return "unknown"
    soon = span(earliest - now)
    if latest is None:
        return f"not before {soon} from now" if earliest > now else "unknown"
    if latest <= now:
        return "any moment now"
    late = span(latest - now)
    if earliest <= now:
        return f"within {late}"
    return f"in {soon}" if soon == late else f"in {soon} to {late}"


def why_layout() -> ListLayout:
    """For the formats that hold one line."""
    columns = (Column("task_id", "TASK"), Column("state", "STATE"), Column("text", "WHY"))
    return ListLayout(columns, "task_id", tuple(WhyView.__annotations__))
