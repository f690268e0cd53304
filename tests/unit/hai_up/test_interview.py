"""hai-up config -i at a real terminal, and the file that comes of it."""

import os
import re
import sys
from pathlib import Path

import pexpect
import pytest

from hai.errors import InvalidInput
from hai_up.cluster.options import cluster_options
from hai_up.config import parse_config
from hai_up.interview import filled, questions_of

TEMPLATE = """\
HAI_PROVIDER=local
# How many
# of them
NODES=4

# A folder
# SHARED_FS_ROOT=/nfs
"""


def test_questions_are_the_variables_of_the_file() -> None:
    one, two = questions_of(TEMPLATE)
    assert (one.name, one.about, one.default) == ("NODES", ("How many", "of them"), "4")
    assert (two.name, two.about, two.is_optional) == ("SHARED_FS_ROOT", ("A folder",), True)


def test_answers_stand_in_the_file_and_can_be_read_again() -> None:
    text = filled(TEMPLATE, {"SHARED_FS_ROOT": "/my folder"})
    assert 'SHARED_FS_ROOT="/my folder"\n' in text
    assert parse_config(text, {})["SHARED_FS_ROOT"] == "/my folder"
    for value in ("it's", 'a "b"', "a#b", "a b", "~/x", "a;b"):
        answered = parse_config(filled(TEMPLATE, {"NODES": value}), {"HOME": "/home/ada"})
        assert answered["NODES"] == value.replace("~", "/home/ada")
    assert filled(TEMPLATE, {}) == TEMPLATE


def spawn(folder: Path, provider: str) -> "pexpect.spawn[str]":
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("HAI_", "KUBE"))}
    return pexpect.spawn(
        "sh",
        ["-c", f"exec {sys.executable} -m hai_up.cli config -p {provider} -i > config.sh"],
        env={**environment, "HOME": str(folder), "PYTHONPATH": str(Path(__file__).parents[3])},
        cwd=str(folder),
        encoding="utf-8",
        timeout=60,
    )


def answer(terminal: "pexpect.spawn[str]", name: str, text: str = "") -> None:
    """Enter for all that is asked before it."""
    while True:
        terminal.expect(r"([A-Z_]+) \[[^\r\n]*\]: ")
        assert isinstance(terminal.match, re.Match)
        if terminal.match[1] == name:
            terminal.sendline(text)
            return
        terminal.sendline("")


def test_a_cluster_step_by_step(tmp_path: Path) -> None:
    terminal = spawn(tmp_path, "k8s")
    answer(terminal, "SHARED_FS_ROOT", "nfs")
    terminal.expect_exact("SHARED_FS_ROOT: 'nfs' is no absolute path")
    answer(terminal, "SHARED_FS_ROOT", "/nfs")
    answer(terminal, "MANAGER_NODES")
    terminal.expect_exact("MANAGER_NODES names no node")
    answer(terminal, "MANAGER_NODES", "m1")
    answer(terminal, "TRAINING_NODES", "a b")
    answer(terminal, "BASE_IMAGE", "r.example/hai:1")
    answer(terminal, "USER_INFO", "ada:1001")
    answer(terminal, "ROOT_USER", "eve")
    terminal.expect_exact("ROOT_USER eve is not in USER_INFO")
    answer(terminal, "ROOT_USER", "ada")
    while terminal.expect([r"\]: ", pexpect.EOF]) == 0:
        terminal.sendline("")
    terminal.close()
    assert terminal.exitstatus == 0
    options = cluster_options(parse_config((tmp_path / "config.sh").read_text(), {"HOME": "/"}))
    assert (options.manager_nodes, options.training_nodes) == (("m1",), ("a", "b"))
    assert (options.root_user, options.platform_path) == ("ada", "/nfs/hai-platform")


def test_one_machine_and_an_interruption(tmp_path: Path) -> None:
    terminal = spawn(tmp_path, "local")
    answer(terminal, "HAI_PORT", "70000")
    terminal.expect_exact("HAI_PORT 70000 is out of range")
    answer(terminal, "HAI_PORT", "7421")
    terminal.sendcontrol("c")
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == 130
    assert (tmp_path / "config.sh").read_text() == ""


def test_nobody_is_asked_without_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    from hai_up.interview import interview

    with Path(os.devnull).open() as nothing:
        monkeypatch.setattr("sys.stdin", nothing)
        with pytest.raises(InvalidInput, match="not a terminal"):
            interview(TEMPLATE, lambda _: None, lambda _: None)
