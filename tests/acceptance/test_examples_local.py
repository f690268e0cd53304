"""The examples as a researcher runs them: real processes, real data, suspended and resumed.

The ranks are started by hand. What the platform's agent does in a task (give notice, answer
requests, stop a rank that has saved) is done here through the same files.
"""

import json
import os
import random
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.live import free_port
from tests.waiting import PATIENCE_SECONDS, wait_until

ROOT = Path(__file__).parents[2]
DIGITS = ROOT / "docs" / "examples" / "digits.py"
DIGITS_DDP = DIGITS.with_name("digits_ddp.py")
pytestmark = pytest.mark.acceptance


class Gang:
    """All ranks of one attempt, and their control directories."""

    def __init__(self, folder: Path, attempt: int, world_size: int, command: list[str]) -> None:
        self.attempt, self.states = attempt, dict.fromkeys(range(world_size), "")
        port = str(free_port())
        self.controls, self.logs, self.ranks = [], [], []
        for rank in range(world_size):
            control = folder / f"control-{attempt}-{rank}"
            (control / "requests").mkdir(parents=True)
            (control / "replies").mkdir()
            log = folder / f"log-{attempt}-{rank}"
            variables = {
                "PATH": os.environ["PATH"],
                "HOME": str(folder),
                "PYTHONPATH": str(ROOT),
                "PYTHONUNBUFFERED": "1",
                "RANK": str(rank),
                "WORLD_SIZE": str(world_size),
                "MASTER_ADDR": "127.0.0.1",
                "MASTER_PORT": port,
                "HAI_CHAIN_ID": "7-example",
                "HAI_ATTEMPT": str(attempt),
                "HAI_CONTROL_DIR": str(control),
            }
            with log.open("wb") as output:
                process = subprocess.Popen(
                    command, cwd=folder, env=variables, stdout=output, stderr=subprocess.STDOUT
                )
            self.controls.append(control)
            self.logs.append(log)
            self.ranks.append(process)

    def text(self, rank: int = 0) -> str:
        return self.logs[rank].read_text()

    def epoch(self) -> int:
        found = re.findall(r"^epoch +(\d+)", self.text(), re.MULTILINE)
        return int(found[-1]) if found else 0

    def answer_requests(self) -> None:
        for rank, control in enumerate(self.controls):
            for request in (control / "requests").glob("*.json"):
                question = json.loads(request.read_text())
                assert question["op"] == "set_whole_life_state"
                self.states[rank] = str(question["value"])
                request.unlink()
                (control / "replies" / "tmp").write_text('{"ok": true, "error": ""}')
                (control / "replies" / "tmp").rename(control / "replies" / request.name)

    def wait_until(self, is_done: Callable[[], bool], what: str) -> None:
        def answered() -> bool:
            self.answer_requests()
            return is_done()

        wait_until(answered, what=f"{what} of attempt {self.attempt} in {self.logs[0]}")

    def finish(self) -> str:
        """Waits for the end; what rank 0 printed."""
        self.wait_until(lambda: all(one.poll() is not None for one in self.ranks), "the end")
        assert [one.returncode for one in self.ranks] == [0] * len(self.ranks), self.text()
        return self.text()

    def suspend(self, *noticed: int) -> None:
        """Gives notice to some ranks; when all have saved, stops them as the agents would."""
        for rank in noticed:
            (self.controls[rank] / ".notice").write_text('{"grace_seconds": 60}')
            (self.controls[rank] / ".notice").rename(self.controls[rank] / "suspend")
        saved = [control / "saved" for control in self.controls]
        self.wait_until(lambda: all(path.exists() for path in saved), "all ranks have saved")
        # A rank that learned it from its peers first has no need to ask for its own notice.
        assert any((self.controls[rank] / "ack").exists() for rank in noticed)
        assert [one.poll() for one in self.ranks] == [None] * len(self.ranks)  # they wait for us
        self.stop()

    def stop(self) -> None:
        for one in self.ranks:
            if one.poll() is None:
                one.send_signal(signal.SIGTERM)
        for one in self.ranks:
            one.wait(PATIENCE_SECONDS)


Start = Callable[..., Gang]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    gangs: list[Gang] = []

    def start_gang(run: str, attempt: int, world_size: int, *args: str) -> Gang:
        folder = tmp_path / run
        folder.mkdir(exist_ok=True)
        gangs.append(Gang(folder, attempt, world_size, [sys.executable, *args]))
        return gangs[-1]

    yield start_gang
    for gang in gangs:
        gang.stop()


def weights_of(path: Path) -> bytes:
    return bytes(np.load(path).tobytes())


@pytest.mark.parametrize("world_size", [1, 2])
def test_digits_resumed_ends_with_the_same_weights(
    start: Start, tmp_path: Path, world_size: int
) -> None:
    args = [str(DIGITS), "--epochs", "12", "--out", "weights.npy"]
    start("whole", 1, world_size, *args).finish()

    slow = [*args, "--step-seconds", "0.02"]
    epoch = random.randrange(5)  # noqa: S311 (any moment will do)
    gang = start("parts", 1, world_size, *slow)
    gang.wait_until(lambda: gang.epoch() >= epoch, "an epoch")
    gang.suspend(world_size - 1)  # the last rank alone is told: all must leave together
    left = re.search(r"suspended at epoch (\d+), step (\d+)", gang.text())
    assert left is not None
    assert gang.states[0] == left[1]

    second = start("parts", 2, world_size, *slow)
    second.wait_until(lambda: second.epoch() >= epoch + 2, "two more epochs")
    second.suspend(*range(world_size))
    text = start("parts", 3, world_size, *args).finish()

    assert f"epoch {left[1]}, step {left[2]}" in second.text()
    assert "resumed from" in text
    ends = [weights_of(tmp_path / run / "weights.npy") for run in ("whole", "parts")]
    assert ends[0] == ends[1]


def test_digits_survives_a_kill_without_notice(start: Start, tmp_path: Path) -> None:
    args = [str(DIGITS), "--epochs", "6", "--save-every", "2", "--out", "weights.npy"]
    start("whole", 1, 2, *args).finish()
    gang = start("killed", 1, 2, *args, "--step-seconds", "0.03")
    gang.wait_until(lambda: gang.epoch() >= 3, "a checkpoint")
    for one in gang.ranks:
        one.kill()
    text = start("killed", 2, 2, *args).finish()
    assert "resumed from" in text
    assert "epoch   2" not in text
    ends = [weights_of(tmp_path / run / "weights.npy") for run in ("whole", "killed")]
    assert ends[0] == ends[1]


def test_digits_learns_in_plain_python_without_hai(tmp_path: Path) -> None:
    program = "import runpy, sys; sys.modules['hai.client'] = None; sys.argv = sys.argv[1:];"
    program += "runpy.run_path(sys.argv[0], run_name='__main__')"
    variables = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", program, str(DIGITS)],
        cwd=tmp_path,
        env=variables,
        text=True,
        capture_output=True,
        timeout=2 * PATIENCE_SECONDS,
        check=True,
    )
    last = done.stdout.splitlines()[-1]
    accuracy = re.fullmatch(r"final accuracy ([\d.]+)% on 360 images", last)
    assert accuracy is not None, last
    assert float(accuracy[1]) >= 95


def test_digits_refuses_a_checkpoint_of_another_seed(start: Start) -> None:
    start("one", 1, 1, str(DIGITS), "--epochs", "1").finish()
    gang = start("one", 2, 1, str(DIGITS), "--epochs", "1", "--seed", "5")
    gang.wait_until(lambda: gang.ranks[0].poll() is not None, "the end")
    assert gang.ranks[0].returncode == 1
    assert "remove it or give another --checkpoint" in gang.text()


@pytest.mark.torch
@pytest.mark.parametrize("world_size", [1, 2])
def test_digits_ddp_resumed_ends_with_the_same_weights(
    start: Start, tmp_path: Path, world_size: int
) -> None:
    pytest.importorskip("torch", reason="PyTorch is not installed")
    args = [str(DIGITS_DDP), "--epochs", "5", "--out", "weights.npy"]
    whole = start("whole", 1, world_size, *args).finish()
    gang = start("parts", 1, world_size, *args, "--step-seconds", "0.03")
    gang.wait_until(lambda: gang.epoch() >= 2, "two epochs")
    gang.suspend(world_size - 1)
    text = start("parts", 2, world_size, *args).finish()
    assert "resumed from" in text
    assert text.splitlines()[-1] == whole.splitlines()[-1]
    ends = [weights_of(tmp_path / run / "weights.npy") for run in ("whole", "parts")]
    assert ends[0] == ends[1]
