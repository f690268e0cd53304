"""Who may see the whole store: what puts a server together, and nobody who answers or decides."""

import ast
from pathlib import Path
from typing import get_type_hints

from hai.ports import Store
from hai.server.deps import Services

ROOT = Path(__file__).parents[2]
READERS = ("hai/service", "hai/door", "hai/server/routes", "hai/launcher", "hai/bus")


def names_store(path: Path) -> bool:
    return any(
        isinstance(node, ast.ImportFrom)
        and (node.module or "").startswith("hai.ports")
        and any(alias.name == "Store" for alias in node.names)
        for node in ast.walk(ast.parse(path.read_text()))
    )


def test_whoever_needs_a_part_of_the_store_asks_for_no_more() -> None:
    modules = [path for folder in READERS for path in (ROOT / folder).rglob("*.py")]
    assert len(modules) > 100
    assert [path for path in modules if names_store(path)] == []
    assert names_store(ROOT / "hai/server/compose.py")


def test_routes_get_services_and_no_store() -> None:
    assert Store not in get_type_hints(Services).values()


def test_the_store_adds_nothing_to_its_parts_but_the_loops_own_copy() -> None:
    own = {name for name in vars(Store) if not name.startswith("_")}
    assert own == {"for_loops"}
