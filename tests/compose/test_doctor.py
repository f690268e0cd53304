"""doctor finds planted faults, each with its cause and what to do about it."""

import json
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from tests.compose.deployed import Deployed
from tests.docker.engine import IMAGE, PrivateEngine
from tests.providers.site import Shell

pytestmark = pytest.mark.acceptance

_HOLD = """
import socket, time
listener = socket.create_server(("0.0.0.0", 80))
print("listens", flush=True)
time.sleep(600)
"""


def checks(deployed: Deployed, **variables: str) -> dict[str, dict[str, str]]:
    """By id. Exit code and statuses agree."""
    shell = deployed.shell
    changed = Shell(home=shell.home, variables={**shell.variables, **variables}, front=shell.front)
    done = changed.tried("hai-up", "doctor", "-c", str(deployed.config), "-o", "json")
    found = {one["name"]: one for one in json.loads(done.text)["checks"]}
    has_failed = any(one["status"] == "fail" for one in found.values())
    assert done.code == (1 if has_failed else 0), done.text
    return found


def failing(found: dict[str, dict[str, str]], name: str) -> tuple[str, str]:
    """The only failure: its cause and its fix."""
    assert [one for one in found if found[one]["status"] == "fail"] == [name], found
    return found[name]["text"], found[name]["fix"]


@pytest.fixture
def bare(engine: PrivateEngine, plugins: Path | None, public_dir: Path) -> Deployed:
    """With an image that needs no building: nothing is run."""
    return Deployed(engine, IMAGE, plugins, public_dir)


def test_nothing_is_wrong(bare: Deployed) -> None:
    found = checks(bare)
    assert {one["status"] for one in found.values()} == {"ok"}
    assert {found[name]["id"] for name in ("share", "ports")} == {"machine.share", "docker.ports"}
    one = bare.shell.line(f"hai-up doctor -c {bare.config} --only ports")
    assert "docker.ports" in one
    assert "docker.engine" not in one
    assert {"engine", "compose", "share", "image", "ports"} <= set(found)


def test_a_port_is_taken(bare: Deployed) -> None:
    holder = subprocess.Popen(
        [*bare.engine.inside(), "python3", "-c", _HOLD], stdout=subprocess.PIPE
    )
    try:
        assert holder.stdout is not None
        holder.stdout.readline()
        cause, fix = failing(checks(bare), "ports")
        refused = bare.shell.tried("hai-up", "run", "-c", str(bare.config))
    finally:
        holder.kill()
        holder.communicate()
    assert "HAI_PORT: port 80" in cause
    assert "is taken" in cause
    assert "ss -ltnp" in fix
    assert "another HAI_PORT" in fix
    assert refused.code == 1
    assert "port 80" in refused.text
    assert bare.engine.left() == []
    assert not (bare.share / "hai-platform").exists()


def test_the_engine_is_away(bare: Deployed, tmp_path: Path) -> None:
    cause, fix = failing(checks(bare, DOCKER_HOST=f"unix://{tmp_path}/none.sock"), "engine")
    assert "no engine answers" in cause
    assert "systemctl start docker" in fix


def test_the_engine_does_not_answer(bare: Deployed, public_dir: Path) -> None:
    silent = public_dir / "silent.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(silent))
        listener.listen(8)
        cause, fix = failing(checks(bare, DOCKER_HOST=f"unix://{silent}"), "engine")
    assert "has not answered within 3 s" in cause
    assert "systemctl status docker" in fix


def test_the_share_cannot_be_written(bare: Deployed) -> None:
    """Root may write in any folder, but not in a file system that is mounted for reading."""
    share = str(bare.share)
    subprocess.run(["mount", "--bind", share, share], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", share], check=True)
        cause, fix = failing(checks(bare), "share")
        refused = bare.shell.tried("hai-up", "run", "-c", str(bare.config))
    finally:
        subprocess.run(["umount", share], check=True)
    assert f"{share} is not writable for you: Read-only file system" in cause
    assert "mount it for reading and writing" in fix
    assert refused.code == 1
    assert "not writable" in refused.text


def test_the_image_is_missing(bare: Deployed) -> None:
    bare.edit(BASE_IMAGE="hai-platform:of-another-day")
    cause, fix = failing(checks(bare), "image")
    assert "hai-platform:of-another-day is not here" in cause
    assert "scripts/release" in fix
    assert "docker load" in fix


@pytest.mark.parametrize(("version", "cause"), [("1.25.0", "is 1.25.0"), ("", "there is no")])
def test_compose_is_too_old_or_missing(
    bare: Deployed, tmp_path: Path, version: str, cause: str
) -> None:
    """A docker without the plugin, and a docker-compose of the age that Ubuntu 20.04 has."""
    exits = f"echo {version}" if version else "exit 127"
    plugin = f'[ "$1" != compose ] || exit 1\nexec {shutil.which("docker")} "$@"'
    for name, text in (("docker", plugin), ("docker-compose", exits)):
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    path = f"{tmp_path}:{bare.shell.environment()['PATH']}"
    said, fix = failing(checks(bare, PATH=path), "compose")
    assert cause in said
    assert "apt-get install" in fix
