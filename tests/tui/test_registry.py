"""One table of actions: what it promises, the program can do, and the keys follow the contract."""

from pathlib import Path

import pytest
from textual.binding import Binding, BindingsMap

from hai.errors import InvalidInput
from hai.tui.actions import ACTIONS, EVERY, Mode, actions_of, checked_keys
from hai.tui.app import HaiTop
from hai.tui.bindings import keymap_of
from hai.tui.help import help_page
from hai.tui.keys import key_names, key_text
from hai.tui.main import chosen_theme
from hai.tui.preferences import Preferences, load_preferences, parse, preferences_path
from hai.tui.screens.cluster import ClusterScreen
from hai.tui.screens.events import EventsScreen
from hai.tui.screens.logs import LogsScreen
from hai.tui.screens.queue import QueueScreen
from hai.tui.screens.task import TaskScreen
from hai.tui.screens.text import TextScreen
from hai.tui.screens.users import UsersScreen
from hai.tui.text import plain
from hai.tui.widgets.lines import Lines

SCREENS = {
    screen.view: screen
    for screen in (
        ClusterScreen, EventsScreen, LogsScreen, QueueScreen, TaskScreen, TextScreen, UsersScreen,
    )
}  # fmt: skip


def library_key(key: str) -> str:
    """The terminal library's own name: "?" is question_mark."""
    return next(iter(BindingsMap([Binding(key, "any")]).key_to_bindings))


@pytest.mark.parametrize("view", sorted(EVERY))
def test_every_action_of_a_screen_can_be_performed(view: str) -> None:
    targets = {"app": HaiTop, "screen": SCREENS[view], "main": Lines}
    for action in actions_of(view, Mode()):
        assert hasattr(targets[action.target], f"action_{action.method}"), action.name


@pytest.mark.parametrize("view", sorted(EVERY))
def test_what_is_bound_is_the_table(view: str) -> None:
    """Each screen and the widget in its middle bind every action of the table, and no other."""
    bound = BindingsMap([*SCREENS[view].BINDINGS, *Lines.BINDINGS])
    found = {(key, b.id, b.action) for key, b in bound}
    table = {(library_key(key), a.name, a.call)
             for a in actions_of(view, Mode()) for key in a.key.split()}  # fmt: skip
    assert found == table


@pytest.mark.parametrize("view", sorted(EVERY))
def test_no_key_means_two_things_on_a_screen(view: str) -> None:
    taken: dict[str, str] = {}
    for action in actions_of(view, Mode()):
        for key in action.key.split():
            assert taken.setdefault(key, action.name) == action.name, key


@pytest.mark.parametrize(
    ("view", "key", "name"),
    [
        ("queue", "?", "help"), ("queue", ":", "command"), ("queue", "/", "filter"),
        ("queue", "enter", "open"), ("queue", "space", "mark"), ("queue", "d", "describe"),
        ("queue", "y", "yaml"), ("queue", "c", "copy"), ("queue", "l", "logs"),
        ("queue", "p", "previous"), ("queue", "w", "why"), ("queue", "e", "edit"),
        ("queue", "ctrl+d", "stop"), ("queue", "ctrl+k", "kill"), ("queue", "z", "toggle"),
        ("queue", "+", "raise"), ("queue", "-", "lower"), ("queue", "x", "dump"),
        ("queue", "ctrl+r", "refresh"), ("queue", "ctrl+a", "aliases"), ("logs", "f", "follow"),
        ("logs", "w", "wrap"), ("logs", "t", "times"), ("logs", "n", "next_match"),
        ("logs", "N", "last_match"), ("logs", "s", "save"), ("logs", "r", "rank"),
        ("queue", "escape", "back"), ("queue", "q", "leave"), ("queue", "j", "down"),
        ("queue", "G", "last"), ("queue", "ctrl+f", "page_down"), ("cluster", "left", "left"),
        ("cluster", "right", "right"), ("queue", "s", "shell"), ("task", "F", "forward"),
    ],
)  # fmt: skip
def test_keys_are_the_ones_that_experts_expect(view: str, key: str, name: str) -> None:
    bound = BindingsMap([*SCREENS[view].BINDINGS, *Lines.BINDINGS])
    assert [binding.id for binding in bound.get_bindings_for_key(library_key(key))] == [name]


def test_modes_take_actions_away() -> None:
    names = {action.name for action in actions_of("queue", Mode(read_only=True))}
    assert names & {"stop", "kill", "toggle", "raise", "lower", "edit"} == set()
    names = {action.name for action in actions_of("logs", Mode(in_browser=True))}
    assert names & {"save", "pager", "dump"} == set()


def test_a_task_is_entered_from_everywhere_but_logs_and_the_browser() -> None:
    ways = {"shell", "forward"}
    for view in ("queue", "cluster", "events", "task"):
        assert ways <= {action.name for action in actions_of(view, Mode())}
        assert not ways & {action.name for action in actions_of(view, Mode(in_browser=True))}
    assert not ways & {action.name for action in actions_of("logs", Mode())}
    read_only = {action.name for action in actions_of("queue", Mode(read_only=True))}
    assert ways & read_only == {"forward"}


def test_help_lists_every_action_of_the_screen() -> None:
    text = plain(help_page("cluster", Mode(), {}))
    for action in actions_of("cluster", Mode()):
        if not action.name.startswith("view_"):
            assert action.help in text
            assert key_text(action.key) in text


def test_help_speaks_of_saved_views_where_digits_are_those() -> None:
    assert "Saved views" in plain(help_page("task", Mode(), {}))
    assert "Saved views" not in plain(help_page("logs", Mode(), {}))


def test_names_of_actions_are_unique() -> None:
    names = [action.name for action in ACTIONS]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    "keys",
    [
        pytest.param({"dance": "d"}, id="unknown"),
        pytest.param({"stop": "w"}, id="taken"),
        pytest.param({"stop": "q"}, id="taken by all"),
        pytest.param({"stop": "Ctrl-K"}, id="taken, in other words"),
        pytest.param({"stop": " "}, id="none"),
        pytest.param({"stop": "ctrl-c"}, id="that of quitting"),
        pytest.param({"stop": "hyper-x"}, id="no key"),
    ],
)
def test_a_keymap_that_can_not_work_is_refused(keys: dict[str, str]) -> None:
    with pytest.raises(InvalidInput, match=r"\[keys\]"):
        checked_keys(keys)


def test_keys_may_be_written_as_help_shows_them() -> None:
    for action in ACTIONS:
        written = key_text(action.key).replace(",", "")
        assert key_names(written) == action.key, action.name
    assert key_names("Ctrl+X F5 Esc alt-x é D") == "ctrl+x f5 escape alt+x é D"
    assert checked_keys({"stop": "ctrl-x"}) == {"stop": "ctrl+x"}


def test_a_keymap_may_have_the_former_name_of_an_action() -> None:
    assert checked_keys({"twin": "ctrl-x"}) == {"cli_equivalent": "ctrl+x"}


def test_a_comma_can_be_a_key() -> None:
    """The library separates keys by commas."""
    assert keymap_of(checked_keys({"stop": ", X"})) == {"stop": "comma,X"}


def test_a_theme_that_there_is_not_is_told() -> None:
    assert chosen_theme("", "", {}) == "hai-dark"
    assert chosen_theme("", "nord", {}) == "nord"
    assert chosen_theme("", "nord", {"NO_COLOR": "1"}) == "hai-mono"
    assert chosen_theme("hai-light", "nord", {"NO_COLOR": "1"}) == "hai-light"
    for wanted, preferred in (("pink", ""), ("", "pink")):
        with pytest.raises(InvalidInput, match="pink"):
            chosen_theme(wanted, preferred, {})


def test_preferences_come_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "top.toml"
    assert load_preferences(path) == Preferences()
    path.write_text('theme = "hai-light"\n[keys]\nstop = "ctrl+x"\n[views]\n8 = "users"\n')
    found = load_preferences(path)
    assert (found.theme, found.keys["stop"], found.views["8"], found.views["1"]) == (
        "hai-light", "ctrl+x", "users", "queue",
    )  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        "theme = 1",
        "[keys]\nstop = 1",
        "[views]\n12 = 'x'",
        "[views]\n8 = 'queu'",
        "colour = 'red'",
        "= =",
    ],
)
def test_wrong_preferences_name_the_file(tmp_path: Path, text: str) -> None:
    path = tmp_path / "top.toml"
    path.write_text(text)
    with pytest.raises(InvalidInput, match=r"top\.toml"):
        load_preferences(path)


def test_where_preferences_are() -> None:
    assert preferences_path({"HOME": "/h"}) == Path("/h/.config/hai/top.toml")
    assert preferences_path({"XDG_CONFIG_HOME": "/x"}) == Path("/x/hai/top.toml")
    assert parse({}) == Preferences()
