"""What a worker uses: CPU and memory by its control group, else the sum over its processes; GPUs by
the driver's library, else by nvidia-smi."""

from __future__ import annotations

import os
import resource
import shutil
import threading
import time

from hai.agent import accounting, nvml, processes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from hai.agent.spec import WorkerSpec

SAMPLE_SECONDS = 5.0
GPU_SECONDS = 10.0
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_UTIME, _CSTIME, _RSS = 11, 14, 21  # places in /proc/<pid>/stat, counted from the state field


def cpu_and_memory() -> tuple[float, int]:
    """CPU seconds of all processes below this one, ended ones included; resident bytes now."""
    ticks = pages = 0
    for pid in processes.descendants(os.getpid()):
        fields = processes.stat_fields(pid)
        if fields:
            ticks += sum(int(field) for field in fields[_UTIME : _CSTIME + 1])
            pages += int(fields[_RSS])
    return ticks / _TICKS + ended_cpu_seconds(), pages * _PAGE


def ended_cpu_seconds() -> float:
    """CPU seconds of all ended processes that this one has reaped."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return ended.ru_utime + ended.ru_stime


def gpu_figures(tool: str, indices: list[int]) -> dict[str, float]:
    """Mean utilisation and total memory in use of these GPUs; {} when the tool does not answer."""
    import subprocess

    query = "--query-gpu=utilization.gpu,memory.used"
    command = [tool, query, "--format=csv,noheader,nounits", "-i", ",".join(map(str, indices))]
    try:
        answer = subprocess.run(  # noqa: S603 - a fixed command line, no shell
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=GPU_SECONDS
        )
        rows = [line.split(",") for line in answer.stdout.decode("ascii", "replace").splitlines()]
        pairs = [(float(percent), float(mebibytes)) for percent, mebibytes in rows]
    except (OSError, ValueError, subprocess.SubprocessError):
        return {}
    if not pairs:
        return {}
    return {
        "gpu_percent": sum(percent for percent, _ in pairs) / len(pairs),
        "gpu_memory_bytes": sum(memory for _, memory in pairs) * 2**20,
    }


class UsageMeter:
    """Samples in a thread of its own; hands each set of figures to `publish`. `gpus` is among them
    where the worker has some; without gpu_percent their use is unknown."""

    def __init__(self, spec: WorkerSpec, publish: Callable[[dict[str, float]], None]) -> None:
        self._spec = spec
        self._publish = publish
        self._nvml: nvml.Nvml | None = None
        self._tool: str | None = None
        self._gpu: dict[str, float] = {}
        self._gpu_at = 0.0
        self._last = (time.monotonic(), self._cpu_and_memory()[0])
        self._figures: dict[str, float] = {}
        self._stopped = threading.Event()

    def start(self) -> None:
        threading.Thread(target=self._run, name="usage", daemon=True).start()

    def stop(self) -> dict[str, float]:
        """The last figures, with the CPU time of everything that was reaped."""
        self._stopped.set()
        final = dict(self._figures)
        final["cpu_seconds"] = round(max(ended_cpu_seconds(), final.get("cpu_seconds", 0.0)), 3)
        # a program too short for a sample: the largest of its processes
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
        final.setdefault("memory_bytes", float(peak))
        return final

    def sample(self) -> dict[str, float]:
        now = time.monotonic()
        cpu_seconds, memory_bytes = self._cpu_and_memory()
        before, cpu_before = self._last
        self._last = (now, cpu_seconds)
        percent = 100 * max(0.0, cpu_seconds - cpu_before) / max(1e-3, now - before)
        figures = {
            "cpu_seconds": round(cpu_seconds, 3),
            "cpu_percent": round(percent, 1),
            "memory_bytes": float(memory_bytes),
        }
        figures.update(self._gpu_figures(now))
        return figures

    def _cpu_and_memory(self) -> tuple[float, int]:
        """What no control group counts for the worker alone is counted by its processes."""
        cpu, memory = accounting.of_group(self._spec.cgroup)
        if self._spec.in_container and cpu is None and memory is None:
            cpu, memory = accounting.of_container()
        if cpu is None or memory is None:
            of_processes = cpu_and_memory()
            cpu = of_processes[0] if cpu is None else cpu
            memory = of_processes[1] if memory is None else memory
        return cpu, memory

    def _gpu_figures(self, now: float) -> dict[str, float]:
        indices = self._spec.gpu_indices
        if not indices:
            return {}
        if not self._gpu_at:
            self._nvml = nvml.opened()
            self._tool = None if self._nvml else shutil.which("nvidia-smi")
        if not self._gpu_at or now - self._gpu_at >= GPU_SECONDS:
            self._gpu_at = now
            if self._nvml is not None:
                self._gpu = self._nvml.figures(indices)
            elif self._tool:
                self._gpu = gpu_figures(self._tool, indices)
        return {"gpus": float(len(indices)), **self._gpu}

    def _run(self) -> None:
        wait = 1.0  # the first figures come early, for short programs
        while not self._stopped.wait(wait):
            self._figures = self.sample()
            self._publish(self._figures)
            wait = SAMPLE_SECONDS
