"""What is used of Textual beyond its public names: in one module, with the versions it fits."""

import ast
import inspect
import re
from importlib.metadata import version
from pathlib import Path

import pytest
import textual.app
import textual.dom
import textual.driver
import textual.message_pump
import textual.screen
import textual.widget
import textual.widgets
from rich.text import Text
from textual.drivers.linux_driver import LinuxDriver
from textual.widgets import Input

import hai.tui
from hai.tui import textual_private
from hai.tui.textual_private import toggle_mouse
from tests.tui.conftest import Drive

FOLDER = Path(hai.tui.__file__).parent
MODULES = (
    textual.app, textual.dom, textual.driver, textual.message_pump, textual.screen, textual.widget,
    inspect.getmodule(Input),
)  # fmt: skip


def private_names() -> set[str]:
    """Attributes and methods of Textual's classes that begin with one underscore."""
    found: set[str] = set()
    for module in MODULES:
        assert module is not None
        source = inspect.getsource(module)
        found.update(re.findall(r"self\.(_[a-z]\w*)", source))
        found.update(re.findall(r"def (_[a-z]\w*)\(", source))
    return found


def numbers(text: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", text)))


def names_used(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Attribute):
            found.add(node.attr)
        elif isinstance(node, ast.ClassDef):
            methods = (one for one in node.body if isinstance(one, ast.FunctionDef))
            found.update(method.name for method in methods)
    return found


def test_the_version_is_one_that_this_was_checked_with() -> None:
    said = re.search(r"Textual (\S+) and newer, below (\d+)", textual_private.__doc__ or "")
    assert said is not None
    first, behind = map(numbers, said.groups())
    assert first <= numbers(version("textual")) < behind, "try the private names, then widen it"


def test_no_other_module_uses_or_replaces_a_private_name() -> None:
    """Also not by chance: an attribute of ours with the name of one of Textual's breaks it."""
    private = private_names()
    assert {"_driver", "_fatal_error", "_bindings"} <= private
    used = {path.name: names_used(path) & private for path in FOLDER.rglob("*.py")}
    assert {name: found for name, found in used.items() if found} == {
        "textual_private.py": {
            "_driver", "_fatal_error", "_mouse", "_enable_mouse_support", "_disable_mouse_support",
        } & private
    }  # fmt: skip


def test_the_driver_for_terminals_can_turn_the_mouse_on_and_off() -> None:
    for name in ("_enable_mouse_support", "_disable_mouse_support"):
        assert callable(getattr(LinuxDriver, name))
    assert "_mouse" in inspect.signature(LinuxDriver.__init__).parameters or (
        "self._mouse" in inspect.getsource(LinuxDriver)
    )


async def test_the_mouse_goes_on_and_off(drive: Drive, monkeypatch: pytest.MonkeyPatch) -> None:
    async with drive() as driver:
        calls: list[str] = []
        terminal = driver.app._driver
        for name in ("enable", "disable"):
            monkeypatch.setattr(
                terminal, f"_{name}_mouse_support", lambda n=name: calls.append(n), raising=False
            )
        first = toggle_mouse(driver.app)
        assert toggle_mouse(driver.app) is not first
        assert sorted(calls) == ["disable", "enable"]


async def test_a_bug_is_told_without_variables(drive: Drive) -> None:
    """Textual's own traceback prints local variables, and those may hold a token."""
    told: list[object] = []

    def fails(secret: str) -> None:
        raise ValueError(len(secret))

    async with drive() as driver:
        driver.app.panic = lambda *texts: told.extend(texts)  # type: ignore[method-assign]
        try:
            fails("-".join(["hai", "secret", "token"]))
        except ValueError:
            driver.app._fatal_error()
    assert isinstance(told[0], Text)
    assert "ValueError: 16" in str(told[0])
    assert "hai-secret-token" not in str(told[0])
