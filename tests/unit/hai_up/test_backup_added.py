"""What an admin wrote into override.toml by hand, in a backup and out of it."""

import json
from collections.abc import Mapping
from typing import Any

from hai_up.backup.added import ADDED, OVERRIDE, added_in, files_of, tell_left_out
from hai_up.backup.archive import Archive, Manifest
from hai_up.plan import merged

OURS = {"server": {"port": 1}, "logs": {"dir": "/l"}}
BY_HAND = """
[server]
port = 1
streams_per_user = 3
[logs]
dir = "/l"
[scheduler]
slice_seconds = 60
"""
WHAT = {"server": {"streams_per_user": 3}, "scheduler": {"slice_seconds": 60}}


class Kept(Archive):
    """A backup of which only the configuration is looked at."""

    def __init__(self, provider: str, files: dict[str, str]) -> None:
        self.manifest = Manifest("hai-backup", 1, "1", 1, provider, "there", "", {})
        self._files = files

    def config(self, name: str) -> str | None:
        return self._files.get(name)


def told(archive: Archive, provider: str, now: Mapping[str, Any] | None) -> str:
    said: list[str] = []
    tell_left_out(archive, provider, now, said.append)
    return "\n".join(said)


def test_a_backup_knows_what_was_added() -> None:
    files = files_of(BY_HAND, OURS)
    assert files[OVERRIDE] == BY_HAND
    assert json.loads(files[ADDED]) == WHAT
    assert ADDED not in files_of("[server", OURS), "a broken file is kept as it is"
    assert ADDED not in files_of(BY_HAND, {}), "nobody knows who wrote what"
    assert added_in(Kept("local", files)) == WHAT


def test_what_is_left_out_is_said_before() -> None:
    kept = Kept("docker-compose", files_of(BY_HAND, OURS))
    assert told(kept, "docker-compose", None) == "", "a new platform gets it all"
    there = {"scheduler": {"slice_seconds": 60}, "server": {"streams_per_user": 4}}
    said = told(kept, "docker-compose", there)
    assert "[server] streams_per_user" in said
    assert "slice_seconds" not in said, "it is there already"
    assert "an override.toml of its own" in said
    places: tuple[Mapping[str, Any] | None, ...] = (None, {})
    for place in places:  # not there yet; one that has only the settings of config.sh
        said = told(kept, "k8s", place)
        assert "[scheduler] slice_seconds, [server] streams_per_user" in said
        assert "the backup is of docker-compose" in said
    older = Kept("docker-compose", {OVERRIDE: BY_HAND})
    assert "compare it" in told(older, "docker-compose", None)


def test_what_an_admin_has_written_here_wins() -> None:
    """Over what the backup brings."""
    here = {"scheduler": {"slice_seconds": 90}, "alone": "no section"}
    found = merged(WHAT, here)
    assert found == {**WHAT, "scheduler": {"slice_seconds": 90}}
