"""Samples of a worker's use: its GPUs by a real shared library, its processes by /proc."""

import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from hai.agent import nvml
from hai.agent.idle import IdleWatch
from hai.agent.spec import WorkerSpec
from hai.agent.usage import UsageMeter
from tests.unit.agent.nvml_library import nvml_library
from tests.unit.agent.orders import order_of
from tests.waiting import wait_until


def spec_of(folder: Path, **changes: object) -> WorkerSpec:
    return WorkerSpec(order_of(folder, "train.py", **changes), str(folder))


def meter_of(spec: WorkerSpec) -> UsageMeter:
    return UsageMeter(spec, lambda figures: None)


def test_gpus_are_sampled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nvml, "opened", partial(nvml.opened, nvml_library(tmp_path)))
    figures = meter_of(spec_of(tmp_path, gpu_indices=[1, 2])).sample()
    assert figures["gpus"] == 2.0
    assert figures["gpu_percent"] == 25.0
    assert figures["gpu_memory_bytes"] == 5.0 * 2**30


def test_gpus_without_a_driver_are_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nvml, "opened", lambda: None)
    monkeypatch.setenv("PATH", str(tmp_path))  # no nvidia-smi
    spec = spec_of(tmp_path, gpu_indices=[0])
    figures = meter_of(spec).sample()
    assert figures["gpus"] == 1.0
    assert "gpu_percent" not in figures
    watch = IdleWatch(spec, None)
    watch.look(figures)
    watch.look(figures)
    told = watch.seconds()
    assert told["gpu"] is None, "unknown, and so in use"
    assert told["kernels"] is None, "no JupyterLab answers"
    assert told["cpu"] is not None
    assert told["input"] is not None


def test_no_gpus_no_signal(tmp_path: Path) -> None:
    spec = spec_of(tmp_path)
    assert "gpus" not in meter_of(spec).sample()
    assert "gpu" not in IdleWatch(spec, None).seconds()


def test_processes_are_counted_where_no_group_counts(tmp_path: Path) -> None:
    meter = meter_of(spec_of(tmp_path))
    program = "kept = bytearray(50_000_000)\nwhile True: pass"
    with subprocess.Popen([sys.executable, "-c", program]) as process:
        try:
            wait_until(lambda: meter.sample()["memory_bytes"] > 50e6, what="memory")
            wait_until(lambda: meter.sample()["cpu_percent"] > 5, what="CPU")
        finally:
            process.kill()


def test_a_group_comes_first(tmp_path: Path) -> None:
    group = tmp_path / "group"
    group.mkdir()
    (group / "cpu.stat").write_text("usage_usec 1000000\n")
    (group / "memory.current").write_text("4096\n")
    meter = meter_of(WorkerSpec(order_of(tmp_path, "train.py"), str(tmp_path), cgroup=str(group)))
    (group / "cpu.stat").write_text("usage_usec 3000000\n")
    figures = meter.sample()
    assert figures["cpu_seconds"] == 3.0
    assert figures["memory_bytes"] == 4096.0
    assert figures["cpu_percent"] > 0
