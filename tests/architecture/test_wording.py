"""Core makes values; sentences that users read are hai.wording's."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

CORE = Path(__file__).parents[2] / "hai" / "core"
WORDS = 3  # so many in one string are a sentence, or a part of one

# Who still writes sentences, and why:
CAUSES = "a cause is written into the task's row and the event log as text, once, when it happens"
INPUT = "a part of what is raised about input that cannot be read"
REPORT = "reports of the simulator, which runs without a server"
ALLOWED = {
    "allowance.py": INPUT,
    "array_spec.py": INPUT,
    "conditions.py": INPUT,
    "images.py": INPUT,
    "lifecycle/attempt_protocol.py": CAUSES,
    "lifecycle/dependency.py": CAUSES,
    "lifecycle/losses.py": CAUSES,
    "lifecycle/restored.py": CAUSES,
    "lifecycle/transitions.py": CAUSES,
    "logs_told.py": CAUSES,
    "policy.py": INPUT,
    "recorded.py": INPUT,
    "simulation/jobs.py": REPORT,
    "simulation/sacct.py": REPORT,
    "simulation/timeshare.py": REPORT,
    "simulation/trace_rows.py": INPUT,
}


class _Sentences(ast.NodeVisitor):
    """Strings of several words; not docstrings, and not what is raised: a parser of core says
    itself what is wrong with its input, and an error's words belong to its one place."""

    def __init__(self) -> None:
        self.found: list[str] = []

    def visit_Expr(self, node: ast.Expr) -> None:
        if not isinstance(node.value, ast.Constant):
            self.generic_visit(node)

    def visit_Raise(self, node: ast.Raise) -> None:
        """Its words are an error's."""

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        parts = [str(one.value) for one in node.values if isinstance(one, ast.Constant)]
        self._note(" ".join(parts))

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, str):
            self._note(node.value)

    def _note(self, text: str) -> None:
        if sum(word.strip(".,:;()'").isalpha() for word in text.split()) >= WORDS:
            self.found.append(text)


def sentences_of(source: str) -> list[str]:
    visitor = _Sentences()
    visitor.visit(ast.parse(source))
    return visitor.found


def writers() -> Iterator[str]:
    for path in sorted(CORE.rglob("*.py")):
        if sentences_of(path.read_text(encoding="utf-8")):
            yield path.relative_to(CORE).as_posix()


def test_core_leaves_sentences_to_wording() -> None:
    assert sorted(writers()) == sorted(ALLOWED)


@pytest.mark.parametrize(
    ("source", "count"),
    [
        ('"""A docstring with many words."""', 0),
        ('raise ValueError("this is no name at all")', 0),
        ('kind = "no_free_nodes"', 0),
        ('def text(n):\n    return f"waits for {n} nodes"', 1),
        ('why = "its nodes are gone"', 1),
    ],
)
def test_what_a_sentence_is(source: str, count: int) -> None:
    assert len(sentences_of(source)) == count
