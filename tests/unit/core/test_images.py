"""Which image a task gets, and what else its user may use."""

import pytest

from hai.agent.capabilities import NAMES
from hai.core.allowance import (
    CAPABILITIES,
    Allowance,
    allowed,
    capabilities,
    check_resource,
    privileges,
    unix_groups,
)
from hai.core.images import Image, image_for, usable

BASE, TORCH, OLD = Image("base", "r/base:1"), Image("torch", "r/torch:2"), Image("a:b", "r/o:1")
ALL = [BASE, OLD, TORCH]
MINE = {"train_environment:base": 1, "train_environment:torch": 5}


def test_the_largest_allowance_is_the_default_then_the_first_name() -> None:
    assert image_for("default", ALL, MINE) == TORCH
    assert image_for("", ALL, {**MINE, "train_environment:base": 5}) == BASE
    assert image_for("default", ALL, {}) is None
    assert usable(ALL, MINE) == [TORCH, BASE]


def test_an_image_is_named_or_given_by_reference() -> None:
    assert image_for("base", ALL, MINE) == BASE
    for ref in ("registry.example/x/y:1", "python:3.12", "x@sha256:00"):
        assert image_for(ref, ALL, {}) == Image(ref, ref)


@pytest.mark.parametrize(
    ("wanted", "why"),
    [
        ("nothing", r"'nothing' is not known; usable: torch, base"),
        ("a:b", "not open to this user"),
        ("Base", "not known"),
    ],
)
def test_what_is_not_known_or_not_allowed_is_refused(wanted: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        image_for(wanted, ALL, MINE)


def test_own_rows_win_and_ended_ones_do_not_count() -> None:
    rows = [
        Allowance("public", "cap:IPC_LOCK", 1),
        Allowance("vision", "train_environment:base", 3),
        Allowance("public", "train_environment:base", 9),
        Allowance("alice", "train_environment:base", 2),
        Allowance("alice", "cap:IPC_LOCK", 0),
        Allowance("public", "privileged", 1, expires_at=10.0),
        Allowance("alice", "train_environment:torch", 0, expires_at=10.0),
        Allowance("public", "train_environment:torch", 4),
        Allowance("bob", "host_pid", 1),
        Allowance("public", "${user_name}:x:1", 1),
    ]
    assert allowed(rows, "alice", {"alice", "vision", "public"}, 10.0) == {
        "train_environment:base": 2,
        "train_environment:torch": 4,
        "alice:x:1": 1,
    }
    assert "privileged" in allowed(rows, "alice", {"public"}, 9.9)


def test_what_allowances_mean_for_a_worker() -> None:
    amounts = {"cap:IPC_LOCK": 1, "cap:SYS_PTRACE": 1, "host_ipc": 1, "v:x:30": 1, "a:x:7": 1}
    assert capabilities(amounts) == {"IPC_LOCK", "SYS_PTRACE"}
    assert privileges(amounts) == {"host_ipc"}
    assert unix_groups(amounts) == (7, 30)


@pytest.mark.parametrize(
    "resource",
    [
        "train_environment:hai_base",
        "train_environment:${user_name}_env",
        "jupyter:jupyter_cpu",
        "cap:IPC_LOCK",
        "custom_service:http:*",
        "custom_service:tcp:22",
        "port",
        "port:alias:my task:0:22",
        "node",
        "node_limit-training-HIGH",
        "node_role_limit",
        "host_network",
        "hfai:x:10020",
    ],
)
def test_the_grammar_of_the_original_is_known(resource: str) -> None:
    check_resource(resource)


@pytest.mark.parametrize(
    "resource",
    [
        "",
        "cap:",
        "cap:ipc_lock",
        "cap:IPC_LOCKS",
        "cap:CAP_IPC_LOCK",
        "cap:ALL",
        "cap:CAP SYS",
        "root",
        "train_environment:",
        "a:y:1",
        "a:x:b",
        "root:x:0",
        "custom_service:udp:1",
        "Privileged",
        "node-training-HIGH",
        "a:x:1:2",
        "a:x:0\n",
    ],
)
def test_other_resources_are_refused(resource: str) -> None:
    with pytest.raises(ValueError, match="is no resource"):
        check_resource(resource)


def test_a_capability_that_is_spelt_wrongly_is_named_rightly() -> None:
    with pytest.raises(ValueError, match="did you mean cap:IPC_LOCK"):
        check_resource("cap:CAP_IPC_LOCK")


def test_quotas_and_agents_know_the_same_capabilities() -> None:
    assert CAPABILITIES == NAMES
