"""Looks after each sample at what tells whether a dev container is used (quiet.py judges it)."""

from __future__ import annotations

import os
import time

from hai.agent import cgroups, kernels, processes, terminals
from hai.agent.quiet import (
    CPU,
    GPU,
    GPU_PERCENT,
    INPUT,
    KERNELS,
    CpuUse,
    IdleSignals,
    InputUse,
    KernelUse,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hai.agent.spec import WorkerSpec

KERNEL_SECONDS = 15.0  # between two questions to JupyterLab


class IdleWatch:
    """`uid`: the program's account; None: the agent's own. `look` belongs to the meter's thread,
    `seconds` to whoever reports."""

    def __init__(self, spec: WorkerSpec, uid: int | None) -> None:
        signals = [KERNELS, CPU, INPUT] + ([GPU] if spec.gpu_indices else [])
        self._spec = spec
        self._uid = uid
        self._quiet = IdleSignals(signals, time.monotonic())
        self._cpu, self._kernels, self._input = CpuUse(), KernelUse(), InputUse()
        self._kernels_due = 0.0

    def look(self, figures: dict[str, float]) -> None:
        now = time.monotonic()
        self._quiet.saw(CPU, now, self._cpu.take(now, figures["cpu_seconds"]))
        gpu = figures.get("gpu_percent")
        self._quiet.saw(GPU, now, None if gpu is None else gpu >= GPU_PERCENT)
        marks = terminals.marks(self._processes(), self._spec.control_dir)
        self._quiet.saw(INPUT, now, self._input.take(marks))
        if now >= self._kernels_due:
            self._kernels_due = now + KERNEL_SECONDS
            answer = kernels.asked(self._spec.control_dir, self._uid)
            self._quiet.saw(KERNELS, now, self._kernels.take(answer))

    def seconds(self) -> dict[str, float | None]:
        """For how long each signal has been quiet; None: unknown."""
        return self._quiet.seconds(time.monotonic())

    def _processes(self) -> list[int]:
        own = set(processes.descendants(os.getpid()))
        return sorted(own | set(cgroups.members(self._spec.cgroup)))
