"""USER_INFO on one machine: the users of config.sh, their tokens, and what is taken from them."""

import os
from pathlib import Path

import httpx2
import pytest
import yaml

from tests.machine import Machine, machine
from tests.waiting import PATIENCE_SECONDS

assert machine  # the fixture
pytestmark = pytest.mark.acceptance

ADA, EVE = "planted-token-of-ada-1", "planted-token-of-eve-1"


def config(machine: Machine, users: str) -> Path:
    path = machine.folder / "config.sh"
    path.touch(0o600)
    path.write_text(f"HAI_PROVIDER=local\nHAI_PORT=0\nHAI_STUDIO_PORT=0\nUSER_INFO={users}\n")
    return path


def whoami(machine: Machine, token: str) -> httpx2.Response:
    url = yaml.safe_load(machine.profile.read_text())["url"]
    return httpx2.get(
        f"{url}/api/v1/whoami",
        headers={"Authorization": f"Bearer {token}"},
        trust_env=False,
        timeout=PATIENCE_SECONDS,
    )


def test_users_of_config_sh(machine: Machine) -> None:
    said = machine.do("run", "-c", str(config(machine, f"ada:10020:{ADA},bob:10021")))[1]
    assert "users of USER_INFO: ada, bob" in said
    assert "hai-cli users token bob" in said
    ada = whoami(machine, ADA).json()
    assert (ada["user"]["name"], ada["user"]["role"]) == ("ada", "admin"), "the first one"
    users = {row["name"]: row for row in machine.ask("GET", "users")["users"]}
    assert users["bob"]["role"] == "user"
    if os.getuid() == 0:
        assert (users["ada"]["uid"], users["bob"]["uid"]) == (10020, 10021)
    again = machine.do("run", "-c", str(config(machine, f"ada:10020:{ADA},bob:10021")))[1]
    assert "USER_INFO" not in again
    assert ADA not in said + again
    _kept_nowhere(machine)

    # what an admin takes stays taken when the rows change
    tokens = machine.ask("GET", "users/ada/tokens")["tokens"]
    imported = [row for row in tokens if row["label"] == "of the original platform"]
    profile = yaml.safe_load(machine.profile.read_text())
    headers = {"Authorization": f"Bearer {profile['token']}"}
    place = f"{profile['url']}/api/v1/tokens/{imported[0]['id']}"
    gone = httpx2.delete(place, headers=headers, trust_env=False, timeout=PATIENCE_SECONDS)
    assert gone.status_code == 204
    assert whoami(machine, ADA).status_code == 401
    more = f"ada:10020:{ADA},bob:10021,eve:10022:{EVE}"
    assert "eve" in machine.do("run", "-c", str(config(machine, more)))[1]
    assert whoami(machine, EVE).json()["user"]["name"] == "eve"
    assert whoami(machine, ADA).status_code == 401


def _kept_nowhere(machine: Machine) -> None:
    """A token is in no file of the platform's own; its database knows a hash."""
    for path in machine.data.iterdir():
        if path.is_file():
            assert ADA not in path.read_text(errors="replace"), path


def test_bad_entries_change_nothing(machine: Machine) -> None:
    for users in ("ada:10020:xxxxxxxx", "ada:10020:short", "ada", "ada:1,bob:1"):
        said = machine.do("run", "-c", str(config(machine, users)), code=2)[1]
        assert "USER_INFO" in said
        assert not machine.data.exists()
