"""How the tests are kept: what several of them use stands beside them, in no test's own module;
each can fail, and none waits for time to pass."""

import ast
import functools
import importlib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PRODUCT = ("hai", "hai_up", "haienv", "haiworkspace", "scripts")
RAISING = {"raises", "fail"}  # and the product's functions check_...
# What has a pace of its own, and waits for nothing.
SLEEPS = {
    "tests/waiting.py",  # between two looks
    "tests/leftovers.py",  # the same, in a program of its own
    "tests/acceptance/test_followers.py",  # a slow reader
    "tests/acceptance/test_hour.py",  # the load's pace
    "tests/contract/test_store_postgres.py",  # the pace of writers while the database is away
    "tests/integration/test_agent_faults.py",  # how much processor time goes by in a second
    "tests/integration/test_agent_fence.py",  # for as long as counters must stand still
    "tests/unit/agent/test_signals.py",  # a child that lives until it is ended
    "tests/unit/docker/test_view.py",  # between two looks, until one raises
}

Function = ast.FunctionDef | ast.AsyncFunctionDef


@functools.cache
def nodes(folder: str, *, word: str = "") -> dict[str, list[ast.AST]]:
    """All nodes of each module below the folder in which the word stands, by its path."""
    texts = {path: path.read_text() for path in sorted((ROOT / folder).rglob("*.py"))}
    assert texts
    return {
        str(path.relative_to(ROOT)): list(ast.walk(ast.parse(text)))
        for path, text in texts.items()
        if word in text
    }


def imported(found: list[ast.AST]) -> Iterator[str]:
    """Everything that an import may mean, with the names that it takes out of a module."""
    for node in found:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module or ''}.{alias.name}" for alias in node.names)


def of_a_test_module(name: str) -> bool:
    first, *inner = name.split(".")
    return first in ("tests", "") and any(part.startswith("test_") for part in inner)


def test_nothing_is_imported_from_a_test_module() -> None:
    modules = dict(nodes("tests"))
    for folder in PRODUCT:
        modules |= nodes(folder, word="test_")
    found = [
        f"{path}: {name}"
        for path, inner in modules.items()
        for name in imported(inner)
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
    assert [of_a_test_module(name) for name in imported([*ast.walk(ast.parse(line))])] == [True]


@pytest.mark.parametrize("name", ["tests.waiting", "tests.contract.launchers"])
def test_assertions_beside_the_tests_show_their_values(name: str) -> None:
    assert "@pytest_ar" in vars(importlib.import_module(name)), "pytest has rewritten them"


def name_of(call: ast.Call) -> str:
    """The last part of what is called."""
    if isinstance(call.func, ast.Attribute):
        return call.func.attr
    return call.func.id if isinstance(call.func, ast.Name) else ""


def unable_to_fail(functions: list[tuple[str, Function]]) -> list[str]:
    """Tests without an assertion of their own, and without one in any function that they call."""
    failing = set(RAISING)
    called: list[tuple[str, Function, set[str]]] = []
    for path, function in functions:
        inner = list(ast.walk(function))
        called.append((path, function, {name_of(one) for one in inner if type(one) is ast.Call}))
        if any(isinstance(one, ast.Assert | ast.Raise) for one in inner):
            failing.add(function.name)
    while more := {f.name for _, f, names in called if names & failing} - failing:
        failing |= more
    return [
        f"{path}: {function.name}"
        for path, function, names in called
        if function.name.startswith("test_") and function.name not in failing
        if not any(name.startswith("check") for name in names)
    ]


def test_every_test_can_fail() -> None:
    functions = [
        (path, node)
        for path, found in nodes("tests").items()
        for node in found
        if isinstance(node, Function)
    ]
    assert len(functions) > 4000
    assert unable_to_fail(functions) == []


def test_what_cannot_fail_is_noticed() -> None:
    text = "def looks(x):\n    x.y()\ndef test_a():\n    looks(1)\ndef test_b():\n    assert 1\n"
    functions = [("a.py", one) for one in ast.parse(text).body if isinstance(one, Function)]
    assert unable_to_fail(functions) == ["a.py: test_a"]


def test_no_test_sleeps_and_hopes() -> None:
    found = {
        path
        for path, inner in nodes("tests").items()
        for call in inner
        if isinstance(call, ast.Call) and name_of(call) == "sleep"
        if "clock" not in ast.unparse(call.func) and ast.unparse(call.args[0]) != "0"
    }
    assert found == SLEEPS
