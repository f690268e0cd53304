"""Reads the rank logs of one attempt forward, merged, batch by batch."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hai.service.logfiles import RankTail, merge, segments
from hai.service.logitems import LogGap, LogLines, Position

BATCH_LINES = 500
BATCH_BYTES = 2**18

Offsets = Mapping[int, int]  # by rank


@dataclass(frozen=True, slots=True)
class Batch:
    """What was read at once: the lines, and what rotation took in front of them. `size` in bytes,
    `oldest` is the time of the earliest line, `position` lies behind the last one."""

    gaps: tuple[LogGap, ...]
    lines: LogLines
    size: int
    oldest: float
    position: Offsets

    @property
    def is_empty(self) -> bool:
        return not self.gaps and not self.lines.lines


class Reading:
    """The logs of these `ranks` (None: all) from `offsets` on. It blocks on the disk.

    With `limits`, ends of pieces that somebody else has read, it reads up to exactly there.
    """

    def __init__(
        self,
        directory: Path,
        number: int,
        ranks: frozenset[int] | None,
        offsets: Offsets,
        limits: Offsets | None = None,
    ) -> None:
        self._directory = directory
        self._number = number
        self._ranks = ranks
        self._offsets = dict(offsets)
        self._limits = limits
        self._tails: dict[int, RankTail] = {}

    @property
    def position(self) -> dict[int, int]:
        """Behind the last line that was given."""
        return {**self._offsets, **{rank: tail.position for rank, tail in self._tails.items()}}

    def batch(self, *, final: bool) -> Batch:
        """What is on disk now and was not read yet, or a part of it; empty when that is nothing."""
        for rank in segments(self._directory):
            if rank not in self._tails and self._is_wanted(rank):
                limit = None if self._limits is None else self._limits[rank]
                start = self._offsets.get(rank, 0)
                self._tails[rank] = RankTail(self._directory, rank, start, limit)
        lines = []
        size = 0
        for line in merge(list(self._tails.values()), final=final):
            lines.append(line)
            size += len(line.data)
            if len(lines) >= BATCH_LINES or size >= BATCH_BYTES:
                break
        position = self.position
        cursor = str(Position(self._number, position))
        oldest = min((line.at for line in lines), default=0.0)
        found = LogLines(self._number, tuple(lines), cursor)
        return Batch(self._gaps(), found, size, oldest, position)

    def _is_wanted(self, rank: int) -> bool:
        if self._limits is not None and rank not in self._limits:
            return False
        return self._ranks is None or rank in self._ranks

    def _gaps(self) -> tuple[LogGap, ...]:
        gaps = []
        for tail in self._tails.values():
            if tail.lost_bytes:
                gaps.append(LogGap(self._number, tail.rank, tail.lost_bytes))
                tail.lost_bytes = 0
        return tuple(gaps)
