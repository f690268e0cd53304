"""Tasks as containers, the whole way: the CLI, planner, containers, logs, and nothing left."""

import re

import pytest

from tests.acceptance.person import Person
from tests.docker.platform import DockerPlatform
from tests.providers.container_platform import (
    digits_is_preempted_and_ends_bit_equal,
    who_ignores_the_notice_leaves_its_nodes,
)

pytestmark = pytest.mark.acceptance

_LONG = 180


def test_hai_cli_python_runs_in_a_container(platform: DockerPlatform) -> None:
    bob = Person(platform, "bob")
    task = bob.submit("train.py", "import os, platform\nprint('hello', os.getuid())\n")
    platform.wait(task, "succeeded", timeout=_LONG)
    assert "hello 64321" in platform.text(task)
    assert "hello 64321" in bob("logs", str(task)).out
    platform.wait_clean()


def test_digits_on_two_nodes_is_preempted_and_ends_bit_equal(platform: DockerPlatform) -> None:
    digits_is_preempted_and_ends_bit_equal(platform)


def test_logs_go_on_when_the_server_is_killed_and_its_containers_are_found_again(
    platform: DockerPlatform,
) -> None:
    name = platform.script_of(
        "count.py",
        "import time\nfor i in range(300): print('line', i, flush=True); time.sleep(.05)",
    )
    task = platform.submit("bob", name=name)
    platform.wait_text(task, "line 20")
    platform.kill()
    platform.start()
    platform.wait(task, "succeeded", timeout=_LONG)
    assert re.findall(r"\bline \d+", platform.text(task)) == [f"line {i}" for i in range(300)]
    assert platform.events(task).count("starting") == 1
    platform.wait_clean()


@pytest.mark.campaign
def test_program_that_ignores_the_notice_leaves_its_nodes(platform: DockerPlatform) -> None:
    who_ignores_the_notice_leaves_its_nodes(platform)
