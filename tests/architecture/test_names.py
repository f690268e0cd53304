"""A class name means one thing: whoever reads it need not ask which module it came from."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PRODUCT = ("hai", "hai_up", "haienv", "haiworkspace")

# Which names stand in two modules, and why:
WIRE = "core's value, and the model of the same thing as it is sent"
ALLOWED = {
    "Checkpoint": ({"hai/core/lifecycle/attempt_protocol.py", "hai/schema/agent.py"}, WIRE),
    "Service": ({"hai/core/services.py", "hai/schema/services.py"}, WIRE),
}


def _public_classes(node: ast.AST, owner: str = "") -> Iterator[str]:
    """Their names. One inside another class is called by both, as in `Reader.Refused`."""
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.ClassDef):
            yield from _public_classes(child, owner)
        elif not child.name.startswith("_"):
            yield owner + child.name
            yield from _public_classes(child, f"{owner}{child.name}.")


def _modules_by_name() -> dict[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for path in (path for folder in PRODUCT for path in (ROOT / folder).rglob("*.py")):
        for name in _public_classes(ast.parse(path.read_text())):
            found[name].add(str(path.relative_to(ROOT)))
    return found


def test_no_public_class_name_stands_in_two_modules() -> None:
    """The list of exceptions is exact: one that is no longer needed has to go."""
    found = _modules_by_name()
    assert found["Task"] == {"hai/core/task.py"}
    twice = {name: modules for name, modules in found.items() if len(modules) > 1}
    assert twice == {name: modules for name, (modules, _why) in ALLOWED.items()}


def test_names_are_read_at_every_depth() -> None:
    source = "class A:\n class B: ...\n class _C: ...\nif x:\n def f():\n  class D: ...\n"
    assert list(_public_classes(ast.parse(source))) == ["A", "A.B", "D"]
