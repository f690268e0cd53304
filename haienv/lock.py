"""What an environment consists of, as a text: its lock. Equal locks, equal environments. Pure."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from hai.errors import InvalidInput

FILE_NAME = "haienv.lock"
_HEADER = "# haienv lock 1"
_SHORT = 12  # digits of an identity that people see


@dataclass(frozen=True, slots=True)
class Lock:
    """`python` as 3.11; `base` identifies the packages below a layer ("" without); `pins` by name.

    A pin is a line of requirements: `einops==0.8.2`, or `name @ URL`.
    """

    python: str
    base: str
    pins: Mapping[str, str]

    def text(self) -> str:
        """The content of haienv.lock."""
        head = [_HEADER, f"# python {self.python}", f"# base {self.base or '-'}"]
        return "\n".join([*head, *(self.pins[name] for name in sorted(self.pins))]) + "\n"

    @property
    def identity(self) -> str:
        """12 hexadecimal digits that stand for all of it."""
        return digest([self.text()])


def digest(lines: Iterable[str]) -> str:
    """12 hexadecimal digits of the lines."""
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:_SHORT]


def parse_lock(text: str) -> Lock:
    """The lock in `text`. Raises InvalidInput."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if lines[:1] != [_HEADER]:
        raise InvalidInput("this is no lock of haienv", hint="haienv snapshot NAME writes one")
    facts = dict(line[2:].split(" ", 1) for line in lines[1:3] if " " in line[2:])
    pins = {}
    for line in lines[3:]:
        name = line.split(" @ ")[0].split("==")[0].strip()
        pins[name] = line
    base = facts.get("base", "-")
    return Lock(facts.get("python", ""), "" if base == "-" else base, pins)


@dataclass(frozen=True, slots=True)
class PackageChange:
    """One package that two locks do not have alike; None where it is missing."""

    name: str
    before: str | None
    after: str | None


def differences(before: Lock, after: Lock) -> list[PackageChange]:
    """By name; the Python and the base come first where they differ."""
    found = []
    if before.python != after.python:
        found.append(PackageChange("(python)", before.python, after.python))
    if before.base != after.base:
        found.append(PackageChange("(base)", before.base or None, after.base or None))
    for name in sorted({*before.pins, *after.pins}):
        old, new = before.pins.get(name), after.pins.get(name)
        if old != new:
            found.append(PackageChange(name, _version(old), _version(new)))
    return found


def _version(pin: str | None) -> str | None:
    if pin is None:
        return None
    return pin.split("==", 1)[1] if "==" in pin else pin.split(" @ ", 1)[-1]
