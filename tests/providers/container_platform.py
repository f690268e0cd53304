"""A platform whose tasks run in containers, whoever makes them, and what holds of each."""

import shutil
from dataclasses import dataclass
from typing import Any, ClassVar

from tests.acceptance.person import Person
from tests.live import REPOSITORY, Live
from tests.waiting import wait_until

EXAMPLES = REPOSITORY / "docs" / "examples"
LEVELS = ("LOW", "NORMAL", "HIGH")
WITHIN_SECONDS = 120.0
TASK_SECONDS = 180.0  # a start, an image on a new node and an end
DEAF = """
import os, signal, time
signal.signal(15, signal.SIG_IGN)
print('deaf', os.environ['HAI_ATTEMPT'], flush=True)
time.sleep(600)
"""
HOG = """
import os, time
print("up", flush=True)
while not os.path.exists("go"):
    time.sleep(0.1)
held = [bytearray(os.urandom(1) * 2**20) for _ in range(2048)]
print("still here", flush=True)
"""
CALM = HOG.replace('"go"', '"never"')


@dataclass
class ContainerPlatform(Live):
    """Its nodes are found by the server; the digits example lies in the folder of the work."""

    stop_seconds: ClassVar[float] = WITHIN_SECONDS

    def __post_init__(self) -> None:
        super().__post_init__()
        shutil.copy(EXAMPLES / "digits.py", self.work_dir)
        shutil.copy(EXAMPLES / "digits.csv.gz", self.work_dir)

    def document(self) -> dict[str, Any]:
        return {
            "user": {"name": "root", "role": "admin", "uid": 0},
            "groups": [{"name": "training"}],
            "nodes": [],
            "quotas": [
                {"user": "*", "resource": f"node-training-{level}", "nodes": 9} for level in LEVELS
            ],
        }

    def nodes_now(self) -> dict[str, dict[str, Any]]:
        with self.client() as client:
            reply = client.get("/nodes")
        return {row["name"]: row for row in reply.json()["nodes"]}

    def left(self) -> list[str]:
        """What tasks have made and is still there."""
        raise NotImplementedError

    def wait_clean(self) -> None:
        wait_until(lambda: not self.left(), WITHIN_SECONDS, what=lambda: f"{self.left()}: an end")

    def why(self, task_id: int) -> str:
        """What the task's detail, its attempts and its workers say."""
        detail = self.detail(task_id)
        workers = [one for attempt in detail["attempt_list"] for one in attempt["workers"]]
        whys = [attempt["why"] for attempt in detail["attempt_list"]]
        return " | ".join([detail["why"], *whys, *(str(w.get("detail")) for w in workers)])

    def wait_why(self, task_id: int, words: str) -> None:
        wait_until(
            lambda: words in self.why(task_id),
            TASK_SECONDS,
            what=lambda: f"{words!r}: {self.why(task_id)}",
        )

    def wait_text(self, task_id: int, words: str) -> None:
        wait_until(
            lambda: words in self.text(task_id), WITHIN_SECONDS, what=f"{words!r} in the log"
        )

    def script_of(self, name: str, text: str) -> str:
        self.script(name, text)
        return name

    def stop_task(self, task_id: int) -> None:
        with self.client() as admin:
            admin.post(f"/tasks/{task_id}/stop").raise_for_status()
        self.wait(task_id, "stopped", timeout=self.stop_seconds)

    def digits(self, out: str, *, rest: float = 0.0, **more: object) -> int:
        """`rest` seconds after each step, so that it is still at it when something happens."""
        parameters = f"--epochs 12 --step-seconds {rest} --checkpoint {out}.npz --out {out}.npy"
        return self.submit("bob", name="digits.py", nodes=2, parameters=parameters, **more)

    def start_dev(self, name: str, script: str, *words: str) -> int:
        """A dev container with a program in place of JupyterLab."""
        binary = self.work_dir / name / "bin"
        binary.mkdir(parents=True)
        program = self.script(f"{name}.py", script)
        (binary / "python").write_text(f"#!/bin/sh\nexec python3 -u {program}\n")
        (binary / "python").chmod(0o755)
        venv = str(binary.parent)
        done = Person(self, "bob")("dev", "start", name, "--py-venv", venv, *words)
        assert done.code == 0, done.err
        return int(done.err.partition("is task ")[2].split()[0])


def digits_is_preempted_and_ends_bit_equal(platform: ContainerPlatform) -> None:
    """On two nodes, beside the same without a disturbance."""
    alone = platform.digits("alone")
    platform.wait(alone, "succeeded", timeout=TASK_SECONDS)
    first = platform.digits("disturbed", rest=0.03, priority="LOW")
    platform.wait_text(first, "epoch   2")
    assert len(set(platform.detail(first)["assigned_nodes"])) == 2
    quick = platform.script_of("quick.py", "print('quick')")
    urgent = platform.submit(name=quick, nodes=2, priority="HIGH")
    platform.wait(urgent, "succeeded", timeout=TASK_SECONDS)
    platform.wait(first, "succeeded", timeout=TASK_SECONDS)
    assert "suspended" in platform.events(first)
    assert "resumed from" in platform.text(first)
    one, two = (platform.work_dir / f"{name}.npy" for name in ("alone", "disturbed"))
    assert one.read_bytes() == two.read_bytes()
    platform.wait_clean()


def who_ignores_the_notice_leaves_its_nodes(platform: ContainerPlatform) -> None:
    deaf = platform.submit("bob", name=platform.script_of("deaf.py", DEAF), nodes=2, priority="LOW")
    platform.wait_text(deaf, "deaf 1")
    quick = platform.script_of("quick.py", "print('quick')")
    urgent = platform.submit(name=quick, nodes=2, priority="HIGH")
    platform.wait(urgent, "succeeded", timeout=TASK_SECONDS)
    platform.wait_text(deaf, "deaf 2")
    assert "no answer to the notice" in platform.why(deaf)
    platform.stop_task(deaf)
    platform.wait_clean()
