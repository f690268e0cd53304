"""Reasons as JSON data: the names and forms that decision logs and clients already have."""

import json

import pytest

from hai.core.container_quota import ContainerLimits
from hai.core.reasons.codec import encode_reason, evidence
from hai.core.reasons.kinds import (
    Behind,
    ContainerQuotaExceeded,
    Containers,
    Held,
    Holders,
    NoFreeNodes,
    NotPlanned,
    Reason,
)
from hai.core.resources import GIB, Resources
from hai.core.types import GroupName, Keeper, Loss, Priority, TaskId

GROUP = GroupName("lab")


@pytest.mark.parametrize(
    ("reason", "form"),
    [
        (NotPlanned(), '{"code": "not_planned"}'),
        (Held(), '{"code": "held"}'),
        (Held(GROUP), '{"code": "held", "group": "lab"}'),
        (
            Behind(group=GROUP, level=Priority.LOW, needed=1, head=TaskId(3), spares=Loss.TURN),
            '{"code": "behind", "group": "lab", "level": "LOW", "needed": 1, "head": 3, '
            '"spares": "turn"}',
        ),
        (
            Behind(group=GROUP, level=Priority.LOW, free=0, position=2, as_backfill=True),
            '{"code": "behind", "group": "lab", "level": "LOW", "free": 0, "position": 2, '
            '"as_backfill": true}',
        ),
        (
            ContainerQuotaExceeded(
                group=GROUP,
                level=Priority.LOW,
                asks=Containers(2, Resources(500, GIB, 0)),
                limits=ContainerLimits(containers=2),
                short=("containers",),
                in_use=Containers(1, Resources(1500, GIB, 1)),
            ),
            '{"code": "quota_exceeded", "group": "lab", "level": "LOW", '
            '"asks": {"cpu": 0.5, "memory_bytes": 1073741824, "gpus": 0, "containers": 2}, '
            '"limits": {"containers": 2}, "short": ["containers"], '
            '"in_use": {"cpu": 1.5, "memory_bytes": 1073741824, "gpus": 1, "containers": 1}}',
        ),
        (
            NoFreeNodes(
                group=GROUP,
                level=Priority.HIGH,
                needed=2,
                nodes=3,
                healthy=3,
                free=1,
                leaving=0,
                preemptible=1,
                kept_out_by=Keeper.OWN,
                holders=Holders(
                    fitting=1,
                    held_by=(TaskId(7),),
                    held_by_more=0,
                    safe_until={TaskId(7): 9.5},
                    own=2,
                    higher=0,
                ),
            ),
            '{"code": "no_free_nodes", "group": "lab", "level": "HIGH", "needed": 2, "nodes": 3, '
            '"healthy": 3, "free": 1, "leaving": 0, "preemptible": 1, "kept_out_by": "own", '
            '"fitting": 1, "held_by": [7], "held_by_more": 0, "safe_until": {"7": 9.5}, '
            '"own": 2, "higher": 0}',
        ),
    ],
)
def test_their_form_stays_as_it_is(reason: Reason, form: str) -> None:
    assert json.dumps(encode_reason(reason)) == form
    assert {"code": reason.code.value, **evidence(reason)} == json.loads(form)
