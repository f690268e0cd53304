"""Linux capabilities that quotas give: handed to a program that does not run as root.

A change of the uid takes them away, and so does exec, unless they are ambient:
capabilities(7), "Ambient".
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

NAMES = (  # in the order of their numbers: linux/capability.h
    *("CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID"),
    *("SETPCAP", "LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW"),
    *("IPC_LOCK", "IPC_OWNER", "SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT"),
    *("SYS_ADMIN", "SYS_BOOT", "SYS_NICE", "SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD"),
    *("LEASE", "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP", "MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG"),
    *("WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ", "PERFMON", "BPF", "CHECKPOINT_RESTORE"),
)
_KEEP = 8  # prctl PR_SET_KEEPCAPS
_AMBIENT, _RAISE = 47, 2  # prctl PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE
_VERSION = 0x20080522  # _LINUX_CAPABILITY_VERSION_3: two words of 32 bits


def split(names: list[str]) -> tuple[list[str], list[str]]:
    """Those that this process could hand on, and those that it could not."""
    if not names or _libc() is None:
        return [], list(names)
    own = _permitted()
    good = [name for name in names if name in NAMES and own >> NAMES.index(name) & 1]
    return good, [name for name in names if name not in good]


class HandOver:
    """In the child, around the change of the uid: `keep`, the change, `give`. What the kernel
    refuses is told on stderr, and the program starts without it."""

    def __init__(self, names: list[str]) -> None:
        self._names = names
        self._libc = _libc() if names else None

    def keep(self) -> None:
        if self._libc is not None:
            self._libc.prctl(_KEEP, 1, 0, 0, 0)

    def give(self) -> None:
        """These alone are left: in effect now, and after exec."""
        if self._libc is None:
            return
        if not self._set(sum(1 << NAMES.index(name) for name in self._names)):
            self._complain(self._names)
            return
        refused = [
            name
            for name in self._names
            if self._libc.prctl(_AMBIENT, _RAISE, NAMES.index(name), 0, 0) != 0
        ]
        if refused:
            self._complain(refused)

    def _set(self, mask: int) -> bool:
        import ctypes

        header = (ctypes.c_uint32 * 2)(_VERSION, 0)  # 0: this thread
        low, high = mask & 0xFFFFFFFF, mask >> 32
        sets = (ctypes.c_uint32 * 6)(low, low, low, high, high, high)
        assert self._libc is not None  # noqa: S101 (give looked)
        return bool(self._libc.capset(header, sets) == 0)

    def _complain(self, names: list[str]) -> None:
        import ctypes

        why = os.strerror(ctypes.get_errno())
        text = "[hai] " + refusal(names) + ": " + why + "\n"
        os.write(2, text.encode())


def refusal(names: list[str]) -> str:
    """For the log."""
    listed = ", ".join(names)
    return "the program runs without the capabilities of its quota: " + listed


def _permitted() -> int:
    try:
        with open("/proc/self/status", encoding="ascii", errors="replace") as file:
            lines = file.read().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1], 16) for line in lines if line.startswith("CapPrm:")), 0)


def _libc() -> Any:
    """None where Python has no ctypes, or the C library no capset."""
    try:
        import ctypes

        libc = ctypes.CDLL(None, use_errno=True)
        libc.capset  # noqa: B018 - AttributeError where there is none
    except (ImportError, OSError, AttributeError):
        return None
    return libc
