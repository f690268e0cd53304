import pytest

from hai.core.plan import Reason
from hai.core.types import WaitCode
from hai.wording.wait_reasons import text

NOW = 1000.0
NODES = {"group": "training", "needed": 2, "nodes": 4, "healthy": 4, "free": 1}


@pytest.mark.parametrize(
    ("code", "evidence", "expected"),
    [
        (WaitCode.HELD, {}, "is suspended until somebody resumes it"),
        (
            WaitCode.GROUP_UNKNOWN,
            {"group": "x", "needed": 1, "nodes": 0, "healthy": 0},
            "waits for a group that has no nodes: x",
        ),
        (
            WaitCode.GROUP_TOO_SMALL,
            {"group": "training", "needed": 8, "nodes": 4, "healthy": 3},
            "needs 8 nodes, more than the 4 (3 healthy) that training has",
        ),
        (
            WaitCode.NO_QUOTA,
            {"group": "training", "needed": 2, "limit": 1, "used": 0, "level": "HIGH"},
            "needs 2 nodes at HIGH in training, where the user's quota is 1 node",
        ),
        (
            WaitCode.QUOTA_EXCEEDED,
            {"group": "training", "needed": 2, "limit": 4, "used": 3, "level": "HIGH"},
            "needs 2 nodes at HIGH in training: 3 of the user's quota of 4 are in use",
        ),
        (
            WaitCode.NO_FREE_NODES,
            {**NODES, "held_by": [7, 9], "held_by_more": 0},
            "waits for 2 nodes: 1 of 4 in training is free, 3 are held by tasks 7, 9",
        ),
        (
            WaitCode.NO_FREE_NODES,
            {**NODES, "free": 0, "healthy": 3, "held_by": [7], "held_by_more": 2, "kept_for": [5]},
            "waits for 2 nodes: 0 of 4 in training are free, 3 are held by tasks 7 and 2 more, "
            "some of them kept for task 5, 1 is not healthy",
        ),
        (
            WaitCode.NO_FREE_NODES,
            {**NODES, "needed": 4, "healthy": 3},
            "waits for 4 nodes: only 3 of 4 in training are healthy",
        ),
        (
            WaitCode.BEHIND,
            {"group": "training", "head": 12, "position": 3},
            "is number 3 in its line in training, behind task 12",
        ),
        (
            WaitCode.BEHIND,
            {"group": "training", "head": 12},
            "waits its turn in training, behind task 12",
        ),
        (WaitCode.BEHIND, {"group": "training"}, "waits its turn in training"),
        (
            WaitCode.BEHIND,
            {"group": "training", "head": 12, "spares": "quota"},
            "waits its turn in training, behind task 12 (and does not run meanwhile, for it would "
            "take the quota that that one needs)",
        ),
        (
            WaitCode.BEHIND,
            {"group": "training", "head": 12, "spares": "turn"},
            "waits its turn in training, behind task 12 (and does not run meanwhile, for others "
            "would then come first and take its nodes)",
        ),
        (
            WaitCode.NO_FREE_NODES,
            {
                **NODES,
                "free": 0,
                "held_by": [7, 9],
                "own": 3,
                "leaving": 1,
                "safe_until": {"7": NOW - 5, "9": NOW + 720},
            },
            "waits for 2 nodes: 0 of 4 in training are free, 4 are held by tasks 7, 9 (3 by its "
            "user's own tasks, which are never interrupted for each other), 1 will soon be free, "
            "the next slice ends in 12 min",
        ),
        (
            WaitCode.NO_FREE_NODES,
            {**NODES, "free": 0, "held_by": [7, 9], "own": 1, "higher": 2},
            "waits for 2 nodes: 0 of 4 in training are free, 4 are held by tasks 7, 9 (1 by its "
            "user's own tasks, which are never interrupted for each other; 2 at a higher priority)",
        ),
        (
            WaitCode.NO_FREE_NODES,
            {**NODES, "free": 0, "held_by": [7], "higher": 4},
            "waits for 2 nodes: 0 of 4 in training are free, 4 are held by task 7 at a higher "
            "priority",
        ),
        (
            WaitCode.NO_FREE_NODES,
            {**NODES, "held_by": [9], "safe_until": {"9": NOW + 720}},
            "waits for 2 nodes: 1 of 4 in training is free, 3 are held by task 9, the next slice "
            "ends in 12 min",
        ),
        (
            WaitCode.NO_FREE_NODES,
            {**NODES, "free": 3, "fitting": 2},
            "waits for 2 nodes: 3 of 4 in training are free, no more than 2 of them for one task, "
            "as they lie in several zones",
        ),
        (
            WaitCode.UNHEALTHY,
            {"group": "training", "needed": 6, "nodes": 6, "healthy": 6, "in_two_zones": 4},
            "needs 6 nodes: a task spans two zones at the most, and no two of training have more "
            "than 4 healthy ones",
        ),
        (
            WaitCode.HANDOVER,
            {"group": "training", "nodes": ["a", "b"], "tasks": [7]},
            "starts on 2 nodes of training once task 7 has left",
        ),
        (
            WaitCode.HANDOVER,
            {"group": "training", "nodes": ["a"], "tasks": [7, 8]},
            "starts on 1 node of training once tasks 7, 8 have left",
        ),
        (WaitCode.NOT_PLANNED, {}, "waits for the next turn of the scheduler"),
    ],
)
def test_sentences(code: WaitCode, evidence: dict[str, object], expected: str) -> None:
    assert text(Reason(code, evidence), NOW) == expected


@pytest.mark.parametrize("code", list(WaitCode))
def test_thin_evidence_still_makes_a_sentence(code: WaitCode) -> None:
    assert text(Reason(code, {})).strip()
    assert text(Reason(code, {"needed": "?", "held_by": "?", "tasks": 3})).strip()
    assert text(Reason(code, {"safe_until": "?", "own": "?"}), NOW).strip()
