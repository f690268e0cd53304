"""Mutants differ from their source in one thing, and only in what runs."""

import ast
from pathlib import Path

from scripts.mutation.mutate import mutants_of

SOURCE = '''
"""A module."""
from dataclasses import dataclass

LIMIT = 3


@dataclass(frozen=True)
class Row:
    """A row."""

    def wide(self, most: int = 4) -> bool:
        """Whether it is."""
        if self.left and self.width < most:
            return True
        self.left += 1
        return not self.left


def first(rows: list[int]) -> int | None:
    for row in rows:
        if row is not None:
            continue
        note(row)
    return max(rows)
'''


def test_mutants_are_programs_that_differ_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "module.py").write_text(SOURCE)
    mutants = mutants_of(tmp_path, "module.py")
    plain = ast.unparse(ast.parse(SOURCE)).splitlines()
    for mutant in mutants:
        lines = mutant.source.splitlines()
        changed = [pair for pair in zip(plain, lines, strict=True) if pair[0] != pair[1]]
        assert len(changed) == 1, mutant.key
        compile(mutant.source, "module.py", "exec")
    changes = {mutant.key.split(": ", 1)[1] for mutant in mutants}
    assert changes >= {
        "self.left and self.width < most -> self.left or self.width < most",
        "self.left and self.width < most -> self.left",
        "self.width < most -> self.width <= most",
        "4 -> 5",
        "True -> False",
        "self.left += 1 -> self.left -= 1",
        "not self.left -> self.left",
        "return max(rows) -> return None",
        "max(rows) -> min(rows)",
        "row is not None -> row is None",
        "continue -> break",
        "note(row) -> pass",
    }
    assert len({mutant.key for mutant in mutants}) == len(mutants)
    assert not any("3 ->" in change or "frozen" in change for change in changes)
