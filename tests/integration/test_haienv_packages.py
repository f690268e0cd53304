"""haienv add, drop, snapshots, locks: with uv, and an index that is a folder of wheels."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from haienv.installed import installed_in
from tests.integration.haienv_lab import Lab, wheel


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    return Lab(tmp_path_factory.mktemp("packages"))


def test_a_layer_takes_only_what_its_base_lacks(lab: Lab) -> None:
    """The base's torchy is in no index, and the newest visiony wants another one."""
    lab.layer("vision")
    lab.env("add", "vision", "visiony")
    assert lab.own("vision") == {"visiony": "0.16"}
    said = lab.says("vision", "import torchy, visiony; print(torchy.version, visiony.version)")
    assert said == "2.1+lab 0.16"


def test_the_base_may_be_hidden_by_name(lab: Lab) -> None:
    lab.layer("newer")
    refused = lab.env("add", "newer", "visiony>=0.20", code=1)
    assert "torchy" in refused
    assert "hint: name a package of the base" in refused
    assert lab.own("newer") == {}
    lab.env("add", "newer", "visiony>=0.20", "torchy")
    assert lab.own("newer") == {"torchy": "3.0", "visiony": "0.26"}
    lab.env("drop", "newer", "torchy")
    assert lab.says("newer", "import torchy; print(torchy.version)") == "2.1+lab"
    run = lab.root / "newer" / "bin" / "torchy-run"
    assert lab.do(str(run)).split() == ["torchy", "2.1+lab"]
    assert "belongs to the base" in lab.env("drop", "newer", "torchy", code=3)


def test_an_environment_of_its_own(lab: Lab) -> None:
    for name in ("pip", "setuptools", "wheel"):
        wheel(lab.wheels, name, "99")
    lab.env("create", "solo", "--no_extend", "-p", sys.executable)
    lab.env("add", "solo", "torchy", "smally<2")
    assert lab.own("solo")["torchy"] == "3.0"
    assert lab.own("solo")["smally"] == "1.0"
    lab.env("add", "solo", "smally", "-U")
    assert lab.own("solo")["smally"] == "2.0"


def test_snapshots_go_back_and_forth(lab: Lab) -> None:
    lab.layer("moving")
    lab.env("add", "moving", "smally==2.0")
    first = lab.env("snapshot", "moving", "-l", "good").strip()
    assert lab.env("diff", "moving", "moving@good", "-o", "jsonl") == ""
    lab.env("drop", "moving", "smally")
    lab.env("add", "moving", "visiony")
    rows = [
        json.loads(line)
        for line in lab.env("diff", "moving@good", "moving", "-o", "jsonl").splitlines()
    ]
    assert [(row["package"], row["first"], row["second"]) for row in rows] == [
        ("smally", "2.0", None),
        ("visiony", None, "0.16"),
    ]
    lab.env("restore", "moving", "good")
    assert lab.own("moving") == {"smally": "2.0"}
    assert lab.env("snapshot", "moving").strip() == first
    assert "no snapshot 'bad'" in lab.env("restore", "moving", "bad", code=3)
    assert "another snapshot 'good'" in _second_good(lab)


def _second_good(lab: Lab) -> str:
    lab.env("add", "moving", "visiony")
    return lab.env("snapshot", "moving", "-l", "good", code=2)


def test_equal_locks_have_one_identity(lab: Lab) -> None:
    for name in ("one", "two"):
        lab.layer(name)
        lab.env("add", name, "smally==2.0")
    assert lab.env("snapshot", "one") == lab.env("snapshot", "two")
    text = lab.env("export", "one", "-f", "lock")
    copy = lab.bin / "copy.lock"
    copy.write_text(text)
    assert lab.env("diff", "two", str(copy), "-o", "jsonl") == ""
    assert lab.env("export", "one") == "smally==2.0\n"


def test_requirements_when_made(lab: Lab) -> None:
    listed = lab.bin / "requirements.txt"
    listed.write_text('visiony\nsmally==2.0; python_version < "3"\n')
    lab.layer("listed", "-r", str(listed))
    assert lab.own("listed") == {"visiony": "0.16"}
    listed.write_text("nosuchpackage\n")
    base = str(lab.base / "bin" / "python")
    assert "nosuchpackage" in lab.env("create", "bad", "-p", base, "-r", str(listed), code=1)
    assert not (lab.root / "bad").exists(), "half an environment is none"


def test_a_layer_over_an_environment(lab: Lab) -> None:
    lab.layer("lower")
    lab.env("add", "lower", "visiony")
    lab.env("create", "upper", "--extend", "lower")
    lab.env("add", "upper", "visiony", "smally")
    assert lab.own("upper") == {}, "all is there below"
    assert lab.says("upper", "import visiony, torchy; print(torchy.version)") == "2.1+lab"


def test_locks_of_others(lab: Lab) -> None:
    lab.layer("source")
    lab.env("add", "source", "smally==2.0")
    lock = lab.bin / "pylock.toml"
    lock.write_text(lab.env("export", "source", "-f", "pylock"))
    assert 'name = "smally"' in lock.read_text()
    lab.layer("locked", "--lock", str(lock))
    assert lab.own("locked") == {"smally": "2.0"}
    lock.write_text("[project]\n")
    assert "no lock-version" in lab.env("add", "locked", "--lock", str(lock), code=2)


def test_environments_of_conda(lab: Lab) -> None:
    given = lab.bin / "environment.yml"
    given.write_text(
        "dependencies:\n  - conda-forge::smally=2.0\n  - cudatoolkit=11.8\n  - pip\n"
        "  - pip:\n      - visiony\n"
    )
    base = str(lab.base / "bin" / "python")
    words = ("create", "conda", "-p", base, "--from-conda", str(given))
    refused = lab.env(*words, code=2)
    assert "conda alone can provide: cudatoolkit" in refused
    lab.env(*words, "--skip-missing")
    assert lab.own("conda") == {"smally": "2.0", "visiony": "0.16"}


def test_faults_are_found(lab: Lab) -> None:
    path = lab.layer("damaged")
    lab.env("add", "damaged", "smally", "visiony")
    lab.env("add", "damaged", "smally==2.0")
    assert lab.env("verify", "damaged") == ""
    site = next((path / "lib").glob("python3*/site-packages"))
    module = site / "visiony.py"
    content = module.read_text()
    module.unlink()  # a hard link into the cache
    module.write_text(content.replace("0", "1"))
    (site / "smally.py").unlink()
    done = lab.run(str(lab.bin / "haienv"), "verify", "damaged", "-o", "jsonl")
    assert done.returncode == 1
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert {(row["package"], row["fault"]) for row in rows} == {
        ("smally", "is missing"),
        ("visiony", "has another content"),
    }


def test_pip_goes_through_uv_where_asked(lab: Lab) -> None:
    path = lab.layer("pipped")
    pip = str(path / "bin" / "pip")
    lab.do(pip, "install", "-q", "visiony", HAIENV_PIP="uv")
    assert lab.own("pipped") == {"visiony": "0.16"}
    refused = lab.do(pip, "install", "--target", "x", "y", HAIENV_PIP="uv", code=2)
    assert "haienv does not know --target" in refused
    elsewhere = str(lab.root.with_name("elsewhere"))  # its own place counts, not the shell's
    lab.do(pip, "uninstall", "-y", "visiony", HAIENV_PIP="uv", HAIENV_PATH=elsewhere)
    assert lab.own("pipped") == {}


def test_run_and_kernels(lab: Lab) -> None:
    lab.layer("runs")
    program = "import os, sys; print(sys.prefix, os.environ['HF_ENV_NAME']); sys.exit(7)"
    done = lab.run(str(lab.bin / "haienv"), "run", "runs", "--", "python", "-c", program)
    assert (done.stdout.split(), done.returncode) == ([str(lab.root / "runs"), "runs"], 7)
    assert "no program" in lab.env("run", "runs", "nosuchprogram", code=3)
    assert lab.env("kernels") == ""
    wheel(lab.wheels, "ipykernel", "7")
    lab.env("add", "runs", "ipykernel")
    names = lab.env("kernels").split()
    assert len(names) == 1
    folder = lab.bin.parent / ".local" / "share" / "jupyter" / "kernels"
    spec = json.loads((folder / names[0] / "kernel.json").read_text())
    assert spec["argv"][0] == str(lab.root / "runs" / "bin" / "python")
    lab.env("drop", "runs", "ipykernel")
    assert lab.env("kernels") == ""
    assert list(folder.iterdir()) == []


@pytest.mark.skipif(shutil.which("fish") is None, reason="there is no fish")
def test_fish(lab: Lab) -> None:
    lab.layer("fishy", "--extra-environment", "GREETING=it's \\ $HOME")
    program = (
        "haienv hook fish | source; set -gx GREETING before; haienv activate fishy;"
        "haienv activate nothing 2>/dev/null; or echo status $status;"
        'echo $HF_ENV_NAME; echo $GREETING; python -c "import sys; print(sys.prefix)";'
        "deactivate; echo $GREETING; set -q HF_ENV_NAME; or echo left"
    )
    said = lab.do("fish", "--no-config", "-c", program).splitlines()
    expected = ["status 3", "fishy", "it's \\ $HOME", str(lab.root / "fishy"), "before", "left"]
    assert said == expected


def test_writers_wait_for_each_other(lab: Lab) -> None:
    """Two that add to one environment at once: both are there."""
    lab.layer("busy")
    started = [
        subprocess.Popen(
            [str(lab.bin / "haienv"), "add", "busy", name],
            env=lab.variables,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name in ("visiony", "smally==2.0")
    ]
    for child in started:
        said = child.communicate(timeout=500)[1]
        assert child.returncode == 0, said
    site = next((lab.root / "busy" / "lib").glob("python3*/site-packages"))
    assert set(installed_in([site])) == {"visiony", "smally"}


@pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("setfacl") is None, reason="needs root and setfacl"
)
def test_sharing_with_one_user(lab: Lab) -> None:
    path = lab.layer("closed", "--private")
    for folder in lab.bin.parents:
        if folder.stat().st_uid == 0 and str(folder).startswith("/tmp/"):
            folder.chmod(folder.stat().st_mode | 0o011)

    def can_read(user: str) -> bool:
        words = ["setpriv", f"--reuid={user}", "--clear-groups", "cat", str(path / "haienv.json")]
        return subprocess.run(words, capture_output=True, check=False).returncode == 0

    assert not can_read("daemon")
    lab.env("share", "closed", "daemon")
    assert can_read("daemon")
    assert not can_read("bin")
    lab.env("unshare", "closed", "daemon")
    assert not can_read("daemon")
    assert "no user" in lab.env("share", "closed", "nobodyatall", code=3)
