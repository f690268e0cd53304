"""What the program and all its kin use: CPU and memory from /proc, GPU by nvidia-smi."""

from __future__ import annotations

import os
import resource
import shutil
import threading
import time

from hai.agent import processes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

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
    """Samples in a thread of its own; hands each set of figures to `publish`."""

    def __init__(self, gpu_indices: list[int], publish: Callable[[dict[str, float]], None]) -> None:
        self._gpu_indices = gpu_indices
        self._publish = publish
        self._tool = shutil.which("nvidia-smi") if gpu_indices else None
        self._gpu: dict[str, float] = {}
        self._gpu_at = 0.0
        self._last = (time.monotonic(), 0.0)
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
        cpu_seconds, memory_bytes = cpu_and_memory()
        before, cpu_before = self._last
        self._last = (now, cpu_seconds)
        percent = 100 * max(0.0, cpu_seconds - cpu_before) / max(1e-3, now - before)
        if self._tool and (not self._gpu_at or now - self._gpu_at >= GPU_SECONDS):
            self._gpu_at = now
            self._gpu = gpu_figures(self._tool, self._gpu_indices)
        figures = {
            "cpu_seconds": round(cpu_seconds, 3),
            "cpu_percent": round(percent, 1),
            "memory_bytes": float(memory_bytes),
        }
        figures.update(self._gpu)
        return figures

    def _run(self) -> None:
        wait = 1.0  # the first figures come early, for short programs
        while not self._stopped.wait(wait):
            self._figures = self.sample()
            self._publish(self._figures)
            wait = SAMPLE_SECONDS
