"""docs/scheduling.md says what the planner does: its timelines, defaults and figures."""

import re
import runpy
from dataclasses import fields
from pathlib import Path

import pytest

from hai.core.duration import duration_text
from hai.core.policy import Policy

DOCS = Path(__file__).parents[3] / "docs"
PAGE = (DOCS / "scheduling.md").read_text(encoding="utf-8")
SHARING = runpy.run_path(str(DOCS / "examples" / "sharing.py"))


@pytest.mark.parametrize("name", SHARING["EXAMPLES"])
def test_timelines_are_what_the_planner_does(name: str) -> None:
    lines = list(SHARING["timeline"](SHARING["EXAMPLES"][name]))
    assert len(lines) > 5
    assert "\n\n" + "\n".join(f"    {line}" for line in lines) + "\n\n" in PAGE


def test_the_script_prints_all_of_them(capsys: pytest.CaptureFixture[str]) -> None:
    SHARING["main"]([])
    printed = capsys.readouterr().out
    assert [line for line in printed.splitlines() if line.endswith(":")] == [
        f"{name}:" for name in SHARING["EXAMPLES"]
    ]


def test_every_knob_and_its_default_is_told() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| `([^`]*)` \|", PAGE, re.MULTILINE))
    told = {}
    for knob in fields(Policy):
        default = getattr(Policy(), knob.name)
        told[knob.name] = str(default).lower() if isinstance(default, bool) else str(default)
    assert rows == told


@pytest.mark.parametrize(("ahead", "told"), [(9, "5 h 38 min 15 s"), (0, "1 h 1 min 30 s")])
def test_the_bound_in_figures(ahead: int, told: str) -> None:
    hours, minutes, seconds = (int(part) for part in re.findall(r"\d+", told))
    bound = Policy().longest_wait(ahead, 45.0)
    assert bound == hours * 3600 + minutes * 60 + seconds, duration_text(bound)
    assert told in PAGE
