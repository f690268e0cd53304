"""Looks at the machine under a program: GPU errors, InfiniBand ports, memory, disk.

Only what can be seen without privileges and in a few seconds; what cannot be looked at (no such
device, no such tool) is left out of the report.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

TOOL_SECONDS = 10.0
MIN_MEMORY_FRACTION = 0.02  # available, of all; below it the kernel soon kills programs
MIN_DISK_FRACTION = 0.01  # free, of the file system
_XID = re.compile(r"NVRM: Xid \(PCI:([0-9a-fA-F:.]+)\): (\d+)")
# Faults of a program, not of the GPU: graphics exception, page fault, reset or killed channel.
_PROGRAM_XIDS = frozenset({13, 31, 43, 45})


class Finding:
    """One thing looked at: what, whether it is well, what was seen."""

    def __init__(self, subject: str, ok: bool, detail: str) -> None:
        self.subject = subject
        self.ok = ok
        self.detail = detail

    def __str__(self) -> str:
        return "{} {}: {}".format("ok  " if self.ok else "BAD ", self.subject, self.detail)


class HealthReport:
    """All findings; truthy when none is bad."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        self.findings = tuple(findings)

    @property
    def problems(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if not finding.ok)

    def __bool__(self) -> bool:
        return not self.problems

    def __str__(self) -> str:
        head = "healthy" if self else f"{len(self.problems)} problem(s)"
        return "\n".join(["health check: " + head, *(f"  {f}" for f in self.findings)])


def check_machine(root: str = "/", disk_path: str = ".") -> HealthReport:
    """Findings about this machine; `root` holds /sys and /proc."""
    findings = [*_gpu_memory_errors(), *_gpu_faults(), *_infiniband(root)]
    findings += [*_memory(root), *_disk(disk_path)]
    return HealthReport(findings)


def parse_gpu_memory_errors(text: str) -> list[Finding]:
    """From `nvidia-smi --query-gpu=index,ecc.errors.uncorrected.volatile.total` as bare CSV."""
    findings = []
    for line in text.splitlines():
        index, _, count = (part.strip() for part in line.partition(","))
        if count.isdigit():
            detail = f"{count} uncorrected memory errors"
            findings.append(Finding(f"gpu {index}", count == "0", detail))
    return findings


def parse_gpu_faults(text: str) -> list[Finding]:
    """From the kernel's log: one finding per GPU and Xid that points at hardware."""
    found = {(device, int(xid)) for device, xid in _XID.findall(text)}
    return [
        Finding(f"gpu {device}", False, f"Xid {xid} in the kernel log")
        for device, xid in sorted(found)
        if xid not in _PROGRAM_XIDS
    ]


def _output_of(*command: str) -> str:
    """What a tool prints; "" if it is missing, fails or hangs."""
    tool = shutil.which(command[0])
    if tool is None:
        return ""
    try:
        done = subprocess.run(  # noqa: S603 - fixed command lines, no shell
            [tool, *command[1:]],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=TOOL_SECONDS,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.decode("utf-8", "replace") if done.returncode == 0 else ""


def _gpu_memory_errors() -> list[Finding]:
    query = "--query-gpu=index,ecc.errors.uncorrected.volatile.total"
    return parse_gpu_memory_errors(_output_of("nvidia-smi", query, "--format=csv,noheader"))


def _gpu_faults() -> list[Finding]:
    return parse_gpu_faults(_output_of("dmesg"))


def _infiniband(root: str) -> Iterator[Finding]:
    devices = os.path.join(root, "sys/class/infiniband")
    for device in _names(devices):
        for port in _names(os.path.join(devices, device, "ports")):
            state = _text(os.path.join(devices, device, "ports", port, "state"))
            if state:
                # "4: ACTIVE", "1: DOWN"; a port without a cable counts as not in use
                physical = _text(os.path.join(devices, device, "ports", port, "phys_state"))
                ok = state.startswith("4") or physical.endswith(("Disabled", "Polling"))
                yield Finding(f"infiniband {device} port {port}", ok, state)


def _memory(root: str) -> Iterator[Finding]:
    fields = dict(
        line.split(":", 1)
        for line in _text(os.path.join(root, "proc/meminfo")).splitlines()
        if ":" in line
    )
    try:
        total, available = (int(fields[n].split()[0]) for n in ("MemTotal", "MemAvailable"))
    except (KeyError, ValueError, IndexError):
        return
    ok = available >= total * MIN_MEMORY_FRACTION
    yield Finding("memory", ok, f"{available >> 10} of {total >> 10} MiB available")


def _disk(path: str) -> Iterator[Finding]:
    try:
        usage = shutil.disk_usage(path)
    except OSError as error:
        yield Finding(f"disk {path}", False, str(error.strerror))
        return
    ok = usage.free >= usage.total * MIN_DISK_FRACTION
    detail = f"{usage.free >> 20} of {usage.total >> 20} MiB free"
    yield Finding(f"disk {path}", ok, detail)


def _names(path: str) -> list[str]:
    try:
        return sorted(os.listdir(path))
    except OSError:
        return []


def _text(path: str) -> str:
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return ""
