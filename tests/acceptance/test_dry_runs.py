"""--dry-run of admins' commands on a live server: it agrees, or refuses as it would the command."""

import os
from dataclasses import replace
from typing import Any

import pytest

from tests.acceptance.person import Person
from tests.live import BOB_UID, Live

pytestmark = pytest.mark.acceptance

UID = ("--uid", str(BOB_UID if os.getuid() == 0 else os.getuid()))
CHANGES = [
    (("users", "add", "ann", *UID, "--team", "vision"), "would add the user 'ann'"),
    (("users", "set", "ann", "--group", "big"), "would change the user 'ann'"),
    (("images", "add", "torch", "r/torch:2", "--for", "vision"), "would offer r/torch:2"),
    (("mounts", "add", "/d", "/d", "--name", "d", "--for", "big"), "would mount /d at /d"),
    (("quota", "set", "ann", "cap:IPC_LOCK=1", "node-training-HIGH=3"), "dry run"),
    (("images", "remove", "torch"), "would remove the image 'torch'"),
    (("mounts", "remove", "d"), "would remove the mount 'd'"),
]
REFUSED = [
    (("users", "add", "root", *UID), 6, "there is a user root already"),
    (("users", "set", "nobody", "--team", "vision"), 3, "no user 'nobody'"),
    (("images", "add", "torch", "r/torch:2", "--for", "vison"), 3, "no user or group 'vison'"),
    (("mounts", "add", "/d", "/d", "--for", "vison"), 3, "no user or group 'vison'"),
    (("mounts", "remove", "d"), 3, "no mount 'd'"),
    # the first of the two would be allowed
    (("quota", "set", "*", "cap:IPC_LOCK=1", "node-moon-HIGH=2"), 2, "no group 'moon'"),
    (("quota", "set", "ann", "cap:IPC_LOCK=1", "node-training-HIGH=9999999"), 2, "0 to 1,000,000"),
]


def facts(live: Live) -> list[Any]:
    """All that these commands change, and what the event log says of their user."""
    with live.client() as admin:
        paths = (
            "/users",
            "/quotas",
            "/images?all=true",
            "/mounts?all=true",
            "/allowances?user=all",
        )
        lists = [admin.get(path).json() for path in paths]
        log = admin.get("/events", params={"follow": "false"}).text
    told = [line for line in log.splitlines() if '"actor":"root"' in line.replace(" ", "")]
    assert told, log
    return [*lists, told]


def test_dry_runs_ask_the_server_and_change_nothing(live: Live) -> None:
    hai = Person(live)
    live.add_user("bob")
    for words, said in CHANGES:
        before = facts(live)
        dry = hai(*words, "--dry-run")
        assert (dry.code, said in dry.err, "nothing was changed" in dry.err) == (0, True, True)
        assert facts(live) == before, words
        done = hai(*words)
        assert done.code == 0, done.err
        assert facts(live) != before, words
        if words[0] == "quota":
            assert dry.out == done.out
    before = facts(live)
    for words, code, said in REFUSED:
        refused = hai(*words)
        assert (refused.code, said in refused.err) == (code, True), refused.err
        dry = hai(*words, "--dry-run")
        assert (dry.code, dry.out, dry.err) == (code, "", refused.err)
    denied = replace(hai, user="bob")("images", "add", "t", "r/t", "--dry-run")
    assert (denied.code, "by an admin" in denied.err) == (5, True), denied.err
    assert facts(live) == before
