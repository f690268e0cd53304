"""haiworkspace watch: what it pushes, and when."""

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from haiworkspace.records import Workspace, write_workspace
from haiworkspace.watch import LEAST_SECONDS, watch
from haiworkspace.workspace import TransferOptions
from tests.integration.workspaces import ROOT
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable


def desk(tmp_path: Path) -> Workspace:
    made = Workspace("digits", tmp_path / "home" / "digits", tmp_path / "shared" / "digits")
    made.local.mkdir(parents=True)
    write_workspace(made)
    return made


def test_a_change_is_pushed_when_it_is_quiet(tmp_path: Path) -> None:
    here = desk(tmp_path)
    code, there = here.local / "a.py", here.remote / "a.py"
    code.write_text("one")
    said: list[str] = []
    looks: list[Callable[[], object]] = [
        lambda: code.write_text("two, half"),
        lambda: code.write_text("two, as a whole"),
        lambda: None,  # quiet: it is pushed at the next look
    ]

    def wait(seconds: float) -> None:
        assert seconds >= LEAST_SECONDS
        looks.pop(0)()

    pushes = watch(here, TransferOptions(), said.append, wait)
    assert next(pushes).copied == ["a.py"]
    assert there.read_text() == "one"
    assert next(pushes).copied == ["a.py"]
    assert (there.read_text(), looks) == ("two, as a whole", [])
    there.write_text("theirs")
    looks += [lambda: code.write_text("mine"), lambda: None, lambda: None]
    looks += [lambda: (there.write_text("two, as a whole"), code.write_text("mine too"))]
    looks += [lambda: None]
    assert next(pushes).copied == ["a.py"]
    assert there.read_text() == "mine too"
    assert [line.startswith("a.py changed in") for line in said] == [True], "told once"


def test_the_command_runs_until_it_is_interrupted(tmp_path: Path) -> None:
    here = desk(tmp_path)
    (here.local / "a.py").write_text("one")
    words = [sys.executable, "-c", "from haiworkspace.cli import main; main()", "watch"]
    child = subprocess.Popen(
        words, cwd=here.local, env={"PYTHONPATH": str(ROOT)}, stderr=subprocess.PIPE, text=True
    )
    try:
        wait_until((here.remote / "a.py").exists, 60)
        (here.local / "a.py").write_text("two")
        wait_until(lambda: (here.remote / "a.py").read_text() == "two", 60)
    finally:
        child.send_signal(2)
        said = child.communicate(timeout=60)[1]
    assert child.returncode == 130, said
    assert "Traceback" not in said
