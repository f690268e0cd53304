"""How the tests are kept: what several of them use stands beside them, in no test's own module."""

import ast
import importlib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("hai", "hai_up", "haienv", "haiworkspace", "scripts", "tests")


def imported(tree: ast.AST) -> Iterator[str]:
    """Everything that an import may mean, with the names that it takes out of a module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module or ''}.{alias.name}" for alias in node.names)


def of_a_test_module(name: str) -> bool:
    first, *inner = name.split(".")
    return first in ("tests", "") and any(part.startswith("test_") for part in inner)


def test_nothing_is_imported_from_a_test_module() -> None:
    paths = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")]
    assert len(paths) > 1000
    found = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in paths
        for name in imported(ast.parse(path.read_text()))
        if of_a_test_module(name)
    ]
    assert found == []


@pytest.mark.parametrize(
    "line",
    [
        "from tests.contract.test_launcher import key_of",
        "from tests.contract import test_launcher",
        "from . import test_launcher",
        "def f():\n    import tests.contract.test_launcher as other",
    ],
)
def test_each_way_to_import_one_is_noticed(line: str) -> None:
    assert any(map(of_a_test_module, imported(ast.parse(line))))


@pytest.mark.parametrize("name", ["tests.waiting", "tests.contract.launchers"])
def test_assertions_beside_the_tests_show_their_values(name: str) -> None:
    assert "@pytest_ar" in vars(importlib.import_module(name)), "pytest has rewritten them"
