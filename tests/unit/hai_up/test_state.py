"""What hai-up remembers, and what it does with a folder that it cannot understand."""

import json
import os
import stat
from pathlib import Path

import pytest

from hai.errors import PlatformError
from hai_up.files import last_lines, write_private
from hai_up.layout import Layout, default_data_dir
from hai_up.state import State, load_state, save_state

STATE = State(
    version="0.1.0",
    host="127.0.0.1",
    port=7420,
    nodes=4,
    gpus_per_node=8,
    hollow_nodes=0,
    group="training",
    user="ada",
    token="secret",  # noqa: S106
)


def test_state_is_kept_for_its_owner_only(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    save_state(layout, STATE)
    assert load_state(layout) == STATE
    assert stat.S_IMODE(layout.state.stat().st_mode) == 0o600
    assert os.listdir(tmp_path) == [layout.state.name]  # noqa: PTH208


def test_a_new_folder_has_no_state(tmp_path: Path) -> None:
    assert load_state(Layout(tmp_path)) is None


def test_keys_of_a_later_patch_are_passed_over(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    save_state(layout, STATE)
    values = json.loads(layout.state.read_text())
    layout.state.write_text(json.dumps({**values, "colour": "green"}))
    assert load_state(layout) == STATE


@pytest.mark.parametrize(
    ("text", "word"),
    [
        pytest.param('{"layout": 99, "version": "9.0"}', "HAI 9.0", id="newer layout"),
        pytest.param("{", "damaged", id="half a file"),
        pytest.param("[]", "damaged", id="no object"),
        pytest.param('{"layout": 1, "version": "1"}', "damaged", id="keys missing"),
    ],
)
def test_a_folder_that_can_not_be_understood(tmp_path: Path, text: str, word: str) -> None:
    layout = Layout(tmp_path)
    layout.state.write_text(text)
    with pytest.raises(PlatformError, match=word) as caught:
        load_state(layout)
    assert caught.value.hint


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "folder"
    target.mkdir()
    with pytest.raises(PlatformError, match="cannot write"):
        write_private(target, "text")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_no_link_is_written_through(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / f".file.{os.getpid()}").symlink_to(victim)
    (tmp_path / "file").symlink_to(victim)
    write_private(tmp_path / "file", "text")
    assert victim.read_text() == "precious"
    assert (tmp_path / "file").read_text() == "text"


def test_last_lines(tmp_path: Path) -> None:
    path = tmp_path / "log"
    assert last_lines(path, 3) == []
    path.write_bytes(b"a\nb\n\xff\nd\n")
    assert last_lines(path, 2) == ["\N{REPLACEMENT CHARACTER}", "d"]


@pytest.mark.parametrize(
    ("is_root", "environ", "folder"),
    [
        (True, {}, "/var/lib/hai"),
        (True, {"XDG_DATA_HOME": "/x"}, "/var/lib/hai"),
        (False, {}, "/home/ada/.local/share/hai"),
        (False, {"XDG_DATA_HOME": "/x"}, "/x/hai"),
        (False, {"XDG_DATA_HOME": "relative"}, "/home/ada/.local/share/hai"),
    ],
)
def test_default_data_folder(is_root: bool, environ: dict[str, str], folder: str) -> None:
    found = default_data_dir(is_root=is_root, environ=environ, home=Path("/home/ada"))
    assert str(found) == folder
