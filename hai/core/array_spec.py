"""Arrays: one submission that makes many tasks, as "0-99%10", "1,3,5-9" or "0-10:2"."""

import re
from dataclasses import dataclass
from typing import Self

LARGEST_INDEX = 10_000_000
MOST_MEMBERS = 1_000_000  # that this notation may name; the server's own limit is lower
MOST_NAMED = 100_000  # by one reference
_RANGE = re.compile(r"(\d{1,8})(?:-(\d{1,8})(?::(\d{1,8}))?)?", re.ASCII)
_REF = re.compile(r"(\d{1,18})_\[(\*|[\d,:\- ]+)\]", re.ASCII)
_HOW = "write 0-99, 1,3,5-9 or 0-10:2, with %10 behind it to run 10 at once"


@dataclass(frozen=True, slots=True)
class ArraySpec:
    """`indices` in the order in which members are submitted; `limit` members may be active at
    once (0: all)."""

    indices: tuple[int, ...]
    limit: int = 0

    @property
    def size(self) -> int:
        return len(self.indices)

    @classmethod
    def parse(cls, value: object) -> Self:
        """From options.array; ValueError says what is wrong."""
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        if not isinstance(value, str):
            raise ValueError(f"options.array: {value!r} names no indices: {_HOW}")
        text, percent, most = value.replace(" ", "").partition("%")
        if percent and not re.fullmatch(r"[1-9]\d{0,6}", most, re.ASCII):
            raise ValueError(f"options.array: {most!r} is no number of tasks at once: {_HOW}")
        indices: dict[int, None] = {}
        for part in text.split(","):
            members = _members(part)
            if len(indices) + len(members) > MOST_MEMBERS:
                raise ValueError(f"options.array names more than {MOST_MEMBERS:,} members")
            before = len(indices)
            indices.update(dict.fromkeys(members))
            if len(indices) - before < len(members):
                raise ValueError(f"options.array: {part} names an index a second time")
        return cls(tuple(indices), int(most) if percent else 0)


def _members(part: str) -> range:
    match = _RANGE.fullmatch(part)
    if match is None:
        raise ValueError(f"options.array: {part!r} names no indices: {_HOW}")
    first, last, step = int(match[1]), int(match[2] or match[1]), int(match[3] or 1)
    if last > LARGEST_INDEX:
        raise ValueError(f"options.array: no index is larger than {LARGEST_INDEX:,}")
    if last < first:
        raise ValueError(f"options.array: the range {part} is empty: write the lower index first")
    if step < 1:
        raise ValueError(f"options.array: {part} has a step of 0")
    return range(first, last + 1, step)


def member_name(name: str, index: int) -> str:
    """The name of one member."""
    return f"{name}_[{index}]"


@dataclass(frozen=True, slots=True)
class ArrayRef:
    """What "12_[*]", "12_[7]" and "12_[0-4,9]" name; no indices mean all members."""

    array_id: int
    indices: tuple[int, ...] = ()

    @property
    def is_one(self) -> bool:
        return len(self.indices) == 1

    @classmethod
    def parse(cls, ref: str) -> Self | None:
        """None for a reference of another kind; ValueError for members that cannot be."""
        match = _REF.fullmatch(ref)
        if match is None:
            return None
        if match[2] == "*":
            return cls(int(match[1]))
        try:
            spec = ArraySpec.parse(match[2])
        except ValueError as error:
            raise ValueError(str(error).replace("options.array", ref)) from None
        if spec.size > MOST_NAMED:
            raise ValueError(f"{ref} names more than {MOST_NAMED:,} members")
        return cls(int(match[1]), spec.indices)
