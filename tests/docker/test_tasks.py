"""Tasks as containers, the whole way: the CLI, planner, containers, logs, and nothing left."""

import re

import pytest

from tests.acceptance.person import Person
from tests.docker.platform import DockerPlatform

pytestmark = pytest.mark.acceptance

_LONG = 180


def digits(platform: DockerPlatform, out: str, *, rest: float = 0.0, **more: object) -> int:
    """`rest` seconds after each step, so that it is still at it when something happens."""
    parameters = f"--epochs 12 --step-seconds {rest} --checkpoint {out}.npz --out {out}.npy"
    return platform.submit("bob", name="digits.py", nodes=2, parameters=parameters, **more)


def test_hai_cli_python_runs_in_a_container(platform: DockerPlatform) -> None:
    bob = Person(platform, "bob")
    task = bob.submit("train.py", "import os, platform\nprint('hello', os.getuid())\n")
    platform.wait(task, "succeeded", timeout=_LONG)
    assert "hello 64321" in platform.text(task)
    assert "hello 64321" in bob("logs", str(task)).out
    platform.wait_clean()


def test_digits_on_two_nodes_is_preempted_and_ends_bit_equal(platform: DockerPlatform) -> None:
    alone = digits(platform, "alone")
    platform.wait(alone, "succeeded", timeout=_LONG)
    first = digits(platform, "disturbed", rest=0.03, priority="LOW")
    platform.wait_text(first, "epoch   2")
    assert len(set(platform.detail(first)["assigned_nodes"])) == 2
    quick = platform.script_of("quick.py", "print('quick')")
    urgent = platform.submit(name=quick, nodes=2, priority="HIGH")
    platform.wait(urgent, "succeeded", timeout=_LONG)
    platform.wait(first, "succeeded", timeout=_LONG)
    assert "suspended" in platform.events(first)
    assert "resumed from" in platform.text(first)
    one, two = (platform.work_dir / f"{name}.npy" for name in ("alone", "disturbed"))
    assert one.read_bytes() == two.read_bytes()
    platform.wait_clean()


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
    name = platform.script_of(
        "deaf.py",
        "import os, signal, time\nsignal.signal(15, signal.SIG_IGN)\n"
        "print('deaf', os.environ['HAI_ATTEMPT'], flush=True)\ntime.sleep(600)\n",
    )
    deaf = platform.submit("bob", name=name, nodes=2, priority="LOW")
    platform.wait_text(deaf, "deaf 1")
    quick = platform.script_of("quick.py", "print('quick')")
    urgent = platform.submit(name=quick, nodes=2, priority="HIGH")
    platform.wait(urgent, "succeeded", timeout=_LONG)
    platform.wait_text(deaf, "deaf 2")
    assert "no answer to the notice" in platform.why(deaf)
    platform.stop_task(deaf)
    platform.wait_clean()
