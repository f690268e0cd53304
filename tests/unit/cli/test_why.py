"""hai-cli why, and dry runs that tell what would happen."""

import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from hai.cli.foretelling import estimate_text
from hai.core.moments import rfc3339
from tests.unit.cli.conftest import Cli
from tests.unit.cli.peer import Peer, Reply, error, task_view

API = "/api/v1"
NOW = 1_900_000_000.0


def at(seconds: float) -> str:
    moment = datetime.fromtimestamp(time.time() + seconds, UTC)  # noqa: TID251 (as the CLI reads it)
    return moment.isoformat().replace("+00:00", "Z")


def why_view(**values: Any) -> dict[str, Any]:
    return {
        "task_id": 12,
        "state": "queued",
        "text": "task 12 waits for 4 nodes: 1 of 4 in training is free",
        "lines": ["place 1 in the order of service of training: it is next"],
        "reason": {"code": "no_free_nodes", "text": "waits for 4 nodes", "evidence": {}},
        "counterfactuals": [
            {
                "change": "with 1 node (submitted anew)",
                "starts_now": True,
                "text": "with 1 node (submitted anew) it starts now on n3",
                "suspends": [],
            }
        ],
        "estimate": {
            "earliest": at(-5),
            "latest": at(7200),
            "basis": "running times by its time limit (1)",
        },
        **values,
    }


def test_why_is_told_in_plain_words(cli: Cli, joined: Peer) -> None:
    joined.on("GET", f"{API}/tasks/12/why", Reply(body=why_view()))
    result = cli("why", "12")
    assert result.code == 0, result.err
    assert result.out.splitlines() == [
        "task 12 waits for 4 nodes: 1 of 4 in training is free",
        "  place 1 in the order of service of training: it is next",
        "what would help, tried on the scheduler as it stands now:",
        "  with 1 node (submitted anew) it starts now on n3",
        "estimated start: within 2 h (running times by its time limit (1))",
    ]


def test_programs_get_the_whole_view(cli: Cli, joined: Peer) -> None:
    view = why_view(estimate=None, counterfactuals=[])
    joined.on("GET", f"{API}/tasks/12/why", Reply(body=view))
    assert json.loads(cli("why", "12", "-o", "json").out) == view
    assert cli("why", "12", "-q").out == "12\n"
    assert cli("why", "12").out.count("\n") == 2


def test_a_lower_bound_is_called_one(cli: Cli, joined: Peer) -> None:
    bound = {"earliest": at(1795), "latest": None, "basis": "no basis"}
    joined.on("GET", f"{API}/tasks/12/why", Reply(body=why_view(estimate=bound)))
    assert "estimated start: not before 30 min from now (no basis)" in cli("why", "12").out


@pytest.mark.parametrize(
    ("earliest", "latest", "words"),
    [
        (600, 1200, "in 10 min to 20 min"),
        (600, 600, "in 10 min"),
        (-9, 1200, "within 20 min"),
        (-9, -5, "any moment now"),
        (-9, None, "unknown"),
        (3600 * 30, 3600 * 72 + 5, "in 30 h to 3 days"),
    ],
)
def test_estimates_read_well(earliest: float, latest: float | None, words: str) -> None:
    last = None if latest is None else rfc3339(NOW + latest)
    estimate = {"earliest": rfc3339(NOW + earliest), "latest": last, "basis": "b"}
    assert estimate_text(estimate, NOW) == f"{words} (b)"


def test_status_tells_the_estimate_of_one_task(cli: Cli, joined: Peer) -> None:
    view = task_view(state="queued", estimate=why_view()["estimate"], attempt_list=[])
    joined.on("GET", f"{API}/tasks/12", Reply(body=view))
    assert "estimated start: within 2 h (running times" in cli("status", "12").out


def test_control_characters_do_not_reach_the_terminal(cli: Cli, joined: Peer) -> None:
    joined.on("GET", f"{API}/tasks/12/why", Reply(body=why_view(lines=["task 3 \x1b[2J"])))
    assert "\x1b" not in cli("why", "12").out


def test_a_task_or_accuracy_is_asked_for(cli: Cli, joined: Peer) -> None:
    assert cli("why").code == 2
    joined.on("GET", f"{API}/scheduler/estimates", Reply(body={"given": 3, "inside_range": 2}))
    assert "inside_range: 2" in cli("why", "--accuracy").out


def test_a_dry_run_of_a_priority_tells_the_effect(cli: Cli, joined: Peer) -> None:
    joined.on("GET", f"{API}/tasks/12", Reply(body=task_view(state="queued")))
    told = {"starts_now": False, "text": "it starts once task 3 has been suspended", "suspends": []}
    joined.on("POST", f"{API}/tasks/12/what-if", Reply(body=told))
    result = cli("priority", "12", "high", "--dry-run")
    assert result.code == 0, result.err
    assert "task 12 at HIGH: it starts once task 3 has been suspended" in result.err
    assert joined.requests[-1].body == {"priority": 30}
    assert "nothing was changed" in result.err


def test_a_rank_goes_with_a_priority_or_alone(cli: Cli, joined: Peer) -> None:
    joined.on("POST", f"{API}/tasks/12/priority", Reply(body=task_view(custom_rank=-1.5)))
    result = cli("priority", "12", "--rank", "-1.5")
    assert result.code == 0, result.err
    assert "has priority HIGH and rank -1.5" in result.err
    assert joined.requests[-1].body == {"custom_rank": -1.5}
    assert cli("priority", "12", "HIGH", "--rank", "2").code == 0
    assert joined.requests[-1].body == {"priority": 30, "custom_rank": 2.0}
    assert cli("priority", "12").code == 2
    assert cli("priority", "12", "--rank", "nan").code == 2
    joined.on("GET", f"{API}/tasks/12", Reply(body=task_view(state="queued")))
    assert "would set to rank -1:" in cli("priority", "12", "--rank", "-1", "--dry-run").err


@pytest.mark.parametrize("verb", ["python", "run"])
def test_a_dry_run_of_a_submit_tells_what_would_become_of_it(
    cli: Cli, joined: Peer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.py").touch()
    (tmp_path / "a.yaml").write_text("version: 2\nname: a\nspec: {entrypoint: a.py}\n")
    words = ["python", "a.py", "--"] if verb == "python" else ["run", "a.yaml"]
    view = why_view(task_id=None, text="the task starts now on n3", estimate=None)
    joined.on("POST", f"{API}/tasks", Reply(body=view))
    result = cli(*words, "--dry-run", "-o", "json")
    assert result.code == 0, result.err
    assert json.loads(result.out)["spec"]["entrypoint"] == "a.py"
    assert "the task starts now on n3" in result.err
    (request,) = joined.requests
    assert request.query == {"dry_run": ["true"]}
    joined.on("POST", f"{API}/tasks", error("over_quota", 403, "4 nodes are over the quota"))
    refused = cli(*words, "--dry-run")
    assert refused.code == 5
    assert "over the quota" in refused.err
