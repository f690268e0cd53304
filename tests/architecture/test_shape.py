"""No module needs itself through others, not even for its types; functions fit a screen."""

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("hai", "hai_up", "haienv", "haiworkspace")
MOST_LINES = 40
# A description of its package for type checkers, which loads nothing.
TYPES_ALONE = {("hai.client", "hai.client.training"), ("hai.client", "hai.client.experiments")}

# One line for each part, field or option.
LISTS = {
    "hai.agent.main.main",
    "hai.server.compose.compose",
    "hai.store.rows.task_of",
    "hai_up.cluster.options.cluster_options",
    "hai_up.compose.options.compose_options",
}


def modules() -> dict[str, ast.Module]:
    found = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            found[name] = ast.parse(path.read_text())
    return found


def needs(tree: ast.Module, known: dict[str, ast.Module]) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom) and node.module in known:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in known else node.module


def test_no_module_needs_itself() -> None:
    known = modules()
    graph = {
        name: {
            need for need in needs(tree, known) if need != name and (name, need) not in TYPES_ALONE
        }
        for name, tree in known.items()
    }
    assert len(graph) > 500
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        raise AssertionError(" -> ".join(error.args[1])) from None


def test_functions_fit_a_screen() -> None:
    sizes = {
        f"{name}.{node.name}": (node.end_lineno or 0) - node.body[0].lineno + 1
        for name, tree in modules().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert len(sizes) > 3000
    assert {n: size for n, size in sizes.items() if size > MOST_LINES and n not in LISTS} == {}
