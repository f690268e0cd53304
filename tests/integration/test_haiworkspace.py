"""haiworkspace as a person drives it, on real directories."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import haiworkspace
from hai.errors import Conflict, NotFound
from haiworkspace import transfer
from haiworkspace.plan import FileChange
from tests.integration.workspaces import ROOT, Project, names, platform, project

__all__ = ["platform", "project"]  # fixtures


def test_a_day_of_work(project: Project) -> None:
    local, remote = project.local, project.remote
    (local / "src" / "__pycache__").mkdir(parents=True)
    (local / "src" / "__pycache__" / "x.pyc").write_text("")
    (local / "src" / "run.sh").write_text("echo\n")
    (local / "src" / "run.sh").chmod(0o755)
    (local / "latest").symlink_to("src/run.sh")
    (local / "outside").symlink_to("/etc")
    (local / "big.pt").write_text("weights")
    (local / ".hfignore").write_text("# mine\n*.pt\n")
    os.mkfifo(local / "pipe")

    dry = project.run("push", "--dry-run")
    assert dry.returncode == 0
    assert not remote.exists()
    assert "+ src/run.sh  (added)" in dry.stderr
    assert "x big.pt  (excluded, .hfignore:2)" in dry.stderr
    assert "x src/__pycache__/  (excluded, default: __pycache__)" in dry.stderr
    assert "x pipe  (excluded, neither a file, a link nor a directory)" in dry.stderr

    assert project.run("diff").returncode == 1
    assert project.run("push").returncode == 0
    assert names(remote) == [".hfignore", "latest", "outside", "src/run.sh"]
    assert (remote / "src" / "run.sh").stat().st_mode & 0o777 == 0o755
    assert (remote / "outside").readlink() == Path("/etc")
    same = project.run("diff")
    assert same.returncode == 0

    # A task writes there; it comes back, and what is only there is never removed by a push.
    (remote / "out").mkdir()
    (remote / "out" / "log").write_text("epoch 1\n")
    assert project.run("push").returncode == 0
    assert (remote / "out" / "log").exists()
    assert project.run("pull").returncode == 0
    assert (local / "out" / "log").read_text() == "epoch 1\n"
    (local / "out" / "log").unlink()
    assert project.run("push").returncode == 0
    assert (remote / "out" / "log").exists()
    assert project.run("push", "--delete").returncode == 0
    assert not (remote / "out").exists()
    assert project.run("push", "-i").returncode == 0
    assert (remote / "big.pt").exists()


def test_a_change_within_one_second_is_no_difference_once_it_is_pushed(project: Project) -> None:
    """Of the same size, too: the remembered digest is not that of the new content."""
    long_ago = (1_700_000_000, 1_700_000_000)
    for text in ("1", "2"):
        project.write(a=text)
        os.utime(project.local / "a", long_ago)
        haiworkspace.push(project.local)
        assert (project.remote / "a").read_text() == text
        assert haiworkspace.diff(project.local).is_same


def test_the_remote_changed_since_the_last_push(project: Project) -> None:
    project.write(a="1", b="1")
    haiworkspace.push(project.local)
    (project.remote / "a").write_text("theirs")
    project.write(b="2")

    done = project.run("push")
    assert done.returncode == 6
    assert "a changed in" in done.stderr
    assert (project.remote / "b").read_text() == "1"  # nothing was sent

    plan = haiworkspace.pull(project.local)
    assert (project.local / "a").read_text() == "theirs"
    assert (project.local / "b").read_text() == "2"  # changed here only: it stays
    assert plan.changes["b"] is FileChange.TARGET_CHANGED
    haiworkspace.push(project.local)
    assert (project.remote / "b").read_text() == "2"
    assert haiworkspace.diff(project.local).is_same


def test_both_sides_changed(project: Project) -> None:
    project.write(a="1")
    haiworkspace.push(project.local)
    (project.remote / "a").write_text("theirs")
    project.write(a="mine")
    with pytest.raises(Conflict, match="a changed here and"):
        haiworkspace.pull(project.local)
    with pytest.raises(Conflict, match="since the last push"):
        haiworkspace.push(project.local)
    haiworkspace.push(project.local, force=True)
    assert (project.remote / "a").read_text() == "mine"
    assert haiworkspace.diff(project.local).is_same


def test_the_last_line_counts_what_was_done(project: Project) -> None:
    project.write(a="1", b="1", c="1")
    haiworkspace.push(project.local)
    (project.remote / "a").write_text("theirs")
    (project.remote / "log").write_text("theirs")
    project.write(a="mine")
    (project.local / "b").unlink()
    told = [
        project.run("push", *words).stderr.splitlines()[-1]
        for words in (["--force", "--dry-run"], ["--force"], ["--delete"])
    ]
    assert [line.partition(" (")[0] for line in told] == [
        "1 file to be sent, 2 left different, 1 excluded",
        "1 file sent, 2 left different, 1 excluded",
        "0 files sent, 1 removed, 1 left different, 1 excluded",
    ]


def test_a_change_of_equal_size_and_time_is_seen(project: Project) -> None:
    project.write(a="one")
    haiworkspace.push(project.local)
    before = (project.local / "a").stat()
    project.write(a="two")
    os.utime(project.local / "a", ns=(before.st_atime_ns, before.st_mtime_ns))
    assert haiworkspace.diff(project.local).changes == {"a": FileChange.CHANGED}
    assert project.run("diff", "-n").returncode == 0  # which does not look inside


def test_a_link_in_the_remote_can_not_lead_out_of_it(project: Project, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (project.local / "data").mkdir()
    (project.local / "data" / "x").write_text("x")
    project.remote.mkdir(parents=True)
    (project.remote / "data").symlink_to(outside)
    assert project.run("push").returncode == 6
    with pytest.raises(Conflict, match="in the way"):
        transfer.copy(project.local, project.remote, ["data/x"], clear=False)
    assert list(outside.iterdir()) == []
    assert project.run("push", "--force").returncode == 0
    assert list(outside.iterdir()) == []
    assert (project.remote / "data" / "x").read_text() == "x"


def test_force_does_not_replace_a_directory_that_holds_files(project: Project) -> None:
    project.write(a="file")
    (project.remote / "a").mkdir(parents=True)
    (project.remote / "a" / "result").write_text("precious")
    done = project.run("push", "--force")
    assert done.returncode == 6
    assert "is in the way" in done.stderr
    assert (project.remote / "a" / "result").read_text() == "precious"


def test_strange_names_and_many_files(project: Project) -> None:
    strange = [b"a b", b"\xff\xfe", b"line\nbreak", "ü".encode() * 127, b"-n", b"[x]*"]
    for name in strange:
        (project.local / os.fsdecode(name)).write_text("x")
    for number in range(300):
        (project.local / f"f{number}").write_text(str(number))
    done = project.run("push")
    assert done.returncode == 0, done.stderr
    assert "more (haiworkspace diff shows all)" in done.stderr
    unsent = [os.fsdecode(b"\xff\xfe")] if project.is_far else []
    assert names(project.remote) == [one for one in names(project.local) if one not in unsent]
    assert f", {1 + len(unsent)} excluded" in done.stderr
    listed = json.loads(project.run("diff", "-o", "json").stdout)
    assert listed == []


def test_a_full_target_leaves_no_half_file(project: Project, tmp_path: Path) -> None:
    source, target = tmp_path / "s", tmp_path / "t"
    source.mkdir()
    (source / "a").write_bytes(b"x" * 5000)
    program = (
        "import resource, signal; from pathlib import Path; from haiworkspace import transfer;"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000));"
        f"transfer.copy(Path({str(source)!r}), Path({str(target)!r}), ['a'], clear=False)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert "File too large" in done.stderr
    assert list(target.iterdir()) == []


def test_list_and_remove(project: Project, tmp_path: Path) -> None:
    project.write(a="1", b="1")
    haiworkspace.push(project.local)
    (row,) = json.loads(project.run("list", "-o", "json").stdout)
    assert (row["workspace"], row["remote"]) == ("digits", project.place)
    assert row["pushed_at"].endswith("Z")
    assert project.run("remove", "digits").returncode == 2
    assert project.run("remove", "digits", "-f", "../x", "-y").returncode == 2
    assert project.run("remove", "digits", "-f", "a", "-y").returncode == 0
    assert names(project.remote) == ["b"]
    assert project.run("remove", "digits", "-y").returncode == 0
    assert not project.remote.exists()
    assert (project.local / "a").exists()
    assert project.run("remove", "digits", "-y").returncode == 3
    haiworkspace.push(project.local)  # and back again
    assert names(project.remote) == ["a", "b"]


def test_the_file_of_the_original_is_read(tmp_path: Path) -> None:
    project = Project(tmp_path)
    (project.local / ".hfai").mkdir()
    (project.local / ".hfai" / "workspace.yml").write_text(
        "workspace: old\nlocal: /x\nremote: group/ann/workspaces/old\nprovider: oss\n"
    )
    project.write(a="1")
    done = project.run("push", HAI_WORKSPACE_ROOT=str(tmp_path / "shared"))
    assert done.returncode == 0, done.stderr
    (found,) = (tmp_path / "shared").glob("*/workspaces/old/a")
    assert found.read_text() == "1"


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        ("init a/b --remote /tmp/hai-x/y", 2, "cannot be the name"),
        ("init x", 2, "HAI_WORKSPACE_ROOT"),
        ("init x -p oss", 2, "unknown provider"),
        ("init x --remote .", 2, "lie in one another"),
        ("init x --remote /", 2, "cannot be a remote"),
        ("pull", 3, "does not exist"),
        ("push --frce", 2, "did you mean --force?"),
        ("remove other -y", 2, "HAI_WORKSPACE_ROOT"),
        ("list -o xml", 2, "no output format"),
    ],
)
def test_errors_say_what_is_wrong(project: Project, args: str, code: int, words: str) -> None:
    # where somebody is logged in, the platform keeps what no folder is named for
    logged_out = {"HAI_CONF": "/nonexistent"} if words == "HAI_WORKSPACE_ROOT" else {}
    done = project.run(*args.split(), **logged_out)
    assert (done.returncode, done.stdout) == (code, "")
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_outside_of_a_workspace(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="is in no workspace"):
        haiworkspace.push(tmp_path)
    project = Project(tmp_path)
    done = project.run("diff")
    assert done.returncode == 3
    assert "haiworkspace init NAME" in done.stderr


@pytest.mark.parametrize("text", ["", "- a", "workspace: x", "a: [", "workspace: ../x\nremote: /a"])
def test_a_damaged_workspace_file(project: Project, text: str) -> None:
    (project.local / ".hai" / "workspace.yml").write_text(text)
    done = project.run("push")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
