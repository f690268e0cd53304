"""The in-task SDK: in a task, in a simulated run, and outside of both."""

import json
import multiprocessing
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hai import client
from hai.agent.control import Control
from hai.client import training
from hai.client.health import (
    Finding,
    HealthReport,
    check_machine,
    parse_gpu_faults,
    parse_gpu_memory_errors,
)
from tests.waiting import wait_until

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("HAI_", "HFAI_", "MARSV2_", "SIMULATE_")) or name == "RANK":
            monkeypatch.delenv(name)
    monkeypatch.setattr(training._Simulation, "state", None)


@pytest.fixture
def control_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "control"
    Control(str(path), None)
    monkeypatch.setenv("HAI_CONTROL_DIR", str(path))
    return path


@pytest.fixture
def answers(control_dir: Path) -> Iterator[Callable[[bool, str], list[dict[str, object]]]]:
    """An agent's side of requests; returns the list that collects what was asked."""
    threads: list[threading.Thread] = []
    done = threading.Event()

    def start(ok: bool, error: str) -> list[dict[str, object]]:
        control = Control(str(control_dir), None)
        asked: list[dict[str, object]] = []

        def answer() -> None:
            while not done.wait(0.005):
                for request in control.requests({}):
                    asked.append(request)
                    if ok and request["op"] == "set_whole_life_state":
                        control.put_whole_life_state(request["value"])
                    control.reply(request["id"], ok, error)

        threads.append(threading.Thread(target=answer))
        threads[-1].start()
        return asked

    yield start
    done.set()
    for thread in threads:
        thread.join()


def simulated(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    values = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "HFAI_SIMULATE": "1"}
    return subprocess.run(
        [sys.executable, "-c", f"from hai import client\n{code}"],
        env={**values, **environment},
        capture_output=True,
        text=True,
    )


def test_notice_is_seen_and_acknowledged(control_dir: Path) -> None:
    assert client.receive_suspend_command() is False
    assert not (control_dir / "ack").exists()
    (control_dir / "suspend").write_text('{"grace_seconds": 60}')
    assert client.receive_suspend_command() is True
    assert (control_dir / "ack").exists()
    assert client.receive_suspend_command() is True


def test_unwritable_acknowledgement(control_dir: Path) -> None:
    (control_dir / "suspend").touch()
    (control_dir / "ack").mkdir()
    assert client.receive_suspend_command() is True
    with pytest.raises(client.ClientError, match="acknowledged"):
        client.receive_suspend_command(raise_exception=True)


def test_go_suspend_marks_saved_and_waits_for_the_end(control_dir: Path) -> None:
    code = "from hai import client; client.go_suspend(); print('came back')"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    program = subprocess.Popen(
        [sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE
    )
    try:
        wait_until((control_dir / "saved").exists)
        assert program.poll() is None
    finally:
        program.kill()
        output, _ = program.communicate()
    assert output == b""


def test_whole_life_state_is_stored_and_read_back(
    answers: Callable[[bool, str], list[dict[str, object]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MARSV2_WHOLE_LIFE_STATE", "0")
    asked = answers(True, "")
    assert client.get_whole_life_state() == 0
    for value in (5, 0, -3):  # also back to where it began
        assert client.set_whole_life_state(value) is True
        assert client.get_whole_life_state() == value
    assert [request["value"] for request in asked] == [5, 0, -3]


def test_whole_life_state_before_the_first_set_is_the_start_value(
    control_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HAI_WHOLE_LIFE_STATE", "12")
    assert client.get_whole_life_state() == 12
    (control_dir / "whole_life_state").write_text("14\n")
    assert client.get_whole_life_state() == 14


def test_refusal_says_why(answers: Callable[[bool, str], list[dict[str, object]]]) -> None:
    answers(False, "over quota")
    assert client.set_priority("HIGH", raise_exception=False) is False
    with pytest.raises(client.ClientError, match="set_priority: over quota"):
        client.set_priority(50)


def test_no_answer_is_a_timeout(control_dir: Path) -> None:
    with pytest.raises(TimeoutError, match=r"no answer in 0\.05 s"):
        client.set_whole_life_state(1, timeout=0.05)
    assert client.set_whole_life_state(1, timeout=0.05, raise_exception=False) is False
    assert list((control_dir / "requests").iterdir()) == []


def test_request_that_can_not_be_written(control_dir: Path) -> None:
    (control_dir / "requests").rmdir()
    with pytest.raises(client.ClientError):
        client.set_whole_life_state(1)
    assert client.set_whole_life_state(1, raise_exception=False) is False


def test_watchdog_time_is_handed_over(control_dir: Path) -> None:
    client.set_watchdog_time(90)
    assert Control(str(control_dir), None).watchdog_seconds() == 90


@pytest.mark.parametrize("bad", [True, "5", 1.0, None, 2**63, -(2**63) - 1])
def test_state_must_be_a_64_bit_integer(bad: int) -> None:
    with pytest.raises(ValueError, match="whole_life_state"):
        client.set_whole_life_state(bad)


@pytest.mark.parametrize("bad", [7, "URGENT", True, 1.5, None, ""])
def test_priority_must_be_a_level(bad: int) -> None:
    with pytest.raises(ValueError, match="choose one of AUTO"):
        client.set_priority(bad)


@pytest.mark.parametrize("bad", [0, -1, float("inf"), float("nan"), True])
def test_watchdog_time_must_be_positive(bad: float) -> None:
    with pytest.raises(ValueError, match="positive"):
        client.set_watchdog_time(bad)


@pytest.mark.parametrize("good", [0, "low", client.EXP_PRIORITY.AUTO, -1, 50])
def test_levels_are_accepted(
    answers: Callable[[bool, str], list[dict[str, object]]], good: int | str
) -> None:
    asked = answers(True, "")
    assert client.set_priority(good) is True
    assert isinstance(asked[0]["value"], int)
    json.dumps(asked)


def test_outside_nothing_happens() -> None:
    assert client.receive_suspend_command() is False
    client.go_suspend()
    client.set_watchdog_time(1)
    assert client.set_priority("HIGH") is False
    assert client.set_whole_life_state(4) is False
    assert client.get_whole_life_state() == 4
    assert client.disable_warn(client.WARN_TYPE.LOG | client.WARN_TYPE.INTERRUPT) is True
    assert (client.nb_name(), client.node_name(), client.user_name()) == ("NO_CLUSTER",) * 3
    assert (client.task_id(), client.rank()) == (None, 0)


def test_names_of_the_task(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"TASK_ID": "12", "RANK": "3", "NB_NAME": "digits"}.items():
        monkeypatch.setenv(f"MARSV2_{name}", value)
    assert (client.task_id(), client.rank(), client.nb_name()) == (12, 3, "digits")


def test_simulated_suspend_ends_with_code_0() -> None:
    code = """
import time
client.set_whole_life_state(client.get_whole_life_state() + 1)
while not client.receive_suspend_command():
    time.sleep(0.01)
client.go_suspend()
print("came back")
"""
    done = simulated(code, SIMULATE_SUSPEND="0.2", MARSV2_WHOLE_LIFE_STATE="41")
    assert (done.returncode, done.stdout) == (0, "")
    assert (
        done.stderr == "hai: simulated suspend; resume with -ls 42 (MARSV2_WHOLE_LIFE_STATE=42)\n"
    )


def test_simulated_run_without_suspend() -> None:
    code = "print(client.receive_suspend_command(), client.set_whole_life_state(3))"
    assert simulated(code).stdout == "False True\n"


def test_go_suspend_from_a_thread_ends_the_simulation() -> None:
    code = """
import threading, time
threading.Thread(target=client.go_suspend).start()
time.sleep(30)
"""
    assert simulated(code).returncode == 0


def test_hook_checks_the_machine_and_raises_on() -> None:
    code = """
import multiprocessing
client.bind_hf_except_hook(multiprocessing.Process)
client.bind_hf_except_hook(multiprocessing.Process)
def work():
    raise RuntimeError("CUDA error")
process = multiprocessing.Process(target=work)
try:
    process.run()
except RuntimeError as error:
    print("raised", error)
"""
    done = simulated(code)
    assert done.stdout == "raised CUDA error\n"
    assert done.stderr.count("health check:") == 1


def test_hook_leaves_good_work_alone(capfd: pytest.CaptureFixture[str]) -> None:
    class Process(multiprocessing.Process):
        pass

    client.bind_hf_except_hook(Process)
    Process(target=lambda: None).run()
    assert capfd.readouterr().err == ""


def test_report_is_truthy_when_healthy() -> None:
    good, bad = Finding("gpu 0", True, "fine"), Finding("gpu 1", False, "Xid 79")
    assert HealthReport([good])
    report = HealthReport([good, bad])
    assert not report
    assert report.problems == (bad,)
    assert str(report) == "health check: 1 problem(s)\n  ok   gpu 0: fine\n  BAD  gpu 1: Xid 79"


def test_gpu_memory_errors() -> None:
    findings = parse_gpu_memory_errors("0, 0\n1, 3\n2, [N/A]\n")
    assert [(f.subject, f.ok) for f in findings] == [("gpu 0", True), ("gpu 1", False)]


def test_gpu_faults_of_programs_do_not_count() -> None:
    log = """
[1.0] NVRM: Xid (PCI:0000:3b:00): 31, pid=1, MMU Fault
[2.0] NVRM: Xid (PCI:0000:5e:00): 79, GPU has fallen off the bus.
"""
    assert [f.subject for f in parse_gpu_faults(log)] == ["gpu 0000:5e:00"]


def test_infiniband_and_memory_are_read_from_the_system(tmp_path: Path) -> None:
    for port, state, physical in (("1", "4: ACTIVE", "5: LinkUp"), ("2", "1: DOWN", "3: Disabled")):
        folder = tmp_path / "sys/class/infiniband/mlx5_0/ports" / port
        folder.mkdir(parents=True)
        (folder / "state").write_text(f"{state}\n")
        (folder / "phys_state").write_text(f"{physical}\n")
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/meminfo").write_text("MemTotal: 1000 kB\nMemAvailable: 10 kB\n")
    report = check_machine(str(tmp_path), str(tmp_path))
    by_subject = {finding.subject: finding.ok for finding in report.findings}
    assert by_subject["infiniband mlx5_0 port 1"]
    assert by_subject["infiniband mlx5_0 port 2"]
    assert not by_subject["memory"]
    (tmp_path / "sys/class/infiniband/mlx5_0/ports/2/phys_state").write_text("2: LinkUp\n")
    again = {f.subject: f.ok for f in check_machine(str(tmp_path), str(tmp_path)).findings}
    assert not again["infiniband mlx5_0 port 2"]


def test_disk_that_is_not_there(tmp_path: Path) -> None:
    assert not check_machine(disk_path=str(tmp_path / "none"))


def test_import_is_light() -> None:
    code = """
import sys
client.receive_suspend_command()
heavy = {"typer", "rich", "httpx2", "pydantic", "multiprocessing", "subprocess", "asyncio", "ssl"}
print(sorted(heavy & set(sys.modules)))
"""
    assert simulated(code).stdout == "[]\n"


def test_unknown_name() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        client.nothing  # noqa: B018
    assert "go_suspend" in dir(client)


def test_a_checkpoint_is_told_with_its_step_and_path(control_dir: Path) -> None:
    control = Control(str(control_dir), None)
    assert control.checkpoint(None) is None
    assert client.checkpoint_saved(Path("c.npz"), 5) is True
    told = control.checkpoint(None)
    assert told is not None
    assert (told["step"], told["path"]) == (5, "c.npz")
    assert control.checkpoint(told["at"]) is None
    os.utime(control_dir / "checkpoint", (told["at"] + 60, told["at"] + 60))
    assert control.checkpoint(told["at"]) == {**told, "at": told["at"] + 60}


@pytest.mark.parametrize(
    "text", ["", "no json", "[1]", '{"step": "x", "path": 3}', '{"step": true}']
)
def test_any_language_can_tell_of_a_checkpoint(control_dir: Path, text: str) -> None:
    (control_dir / "checkpoint").write_text(text)
    told = Control(str(control_dir), None).checkpoint(None)
    assert told is not None
    assert (told["step"], told["path"]) == (None, "")


def test_a_checkpoint_that_can_not_be_told_harms_nothing(control_dir: Path) -> None:
    (control_dir / "checkpoint").mkdir()
    assert Control(str(control_dir), None).checkpoint(None) is None
    assert client.checkpoint_saved("c.npz", 5) is False
    assert client.checkpoint_saved(step="many") is False  # type: ignore[arg-type]


def test_a_checkpoint_outside_of_a_task() -> None:
    assert client.checkpoint_saved("c.npz", 5) is False
    done = simulated("print(client.checkpoint_saved(step=3))")
    assert (done.stdout, done.stderr) == ("True\n", "")
