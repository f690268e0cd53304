"""haienv with a real virtual environment, in real shells and processes."""

import json
import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from hai.errors import Denied
from haienv.build import find_interpreter
from haienv.entrypoints import write_scripts
from haienv.index import Index
from tests.integration.haienv_lab import SHELLS, Shared


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Shared:
    made = Shared(tmp_path_factory.mktemp("haienv"))
    library = made.bin.parent / "a library"
    library.mkdir()
    (library / "found_here.py").write_text("answer = 42\n")
    args = ["--extra-search-dir", "a library", "--extra-environment", "GREETING=it's $HOME"]
    done = made.haienv("create", "vision", "-p", sys.executable, *args)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    other = made.clone("speech", extra_environment={"OTHER": "1"}, extra_search_dir=[])
    made.clone("speech", "bob")
    assert other.is_dir()
    return made


def test_the_environment_sees_the_packages_of_its_base(shared: Shared) -> None:
    """Also from its bare interpreter, as a task runs it."""
    python = str(shared.root / "vision" / "bin" / "python")
    program = "import numpy, found_here, sys; print(sys.prefix, numpy.__file__, found_here.answer)"
    done = shared.run(python, "-c", program)
    assert done.returncode == 0, done.stderr
    prefix, numpy_file, answer = done.stdout.split()
    assert prefix == str(shared.root / "vision")
    assert not numpy_file.startswith(prefix)
    assert answer == "42"
    assert shared.run(str(shared.root / "vision" / "bin" / "pip"), "--version").returncode == 0


_SCRIPT = r"""
set -eu
export VIRTUAL_ENV_DISABLE_PROMPT=1  # an ordinary virtual environment would leave PS1 behind
state() { env | grep -v '^_=' | sort; }
before="$(state)"
source haienv vision
[ "$HF_ENV_NAME" = vision ]; [ "$HF_ENV_PATH" = "$VIRTUAL_ENV" ]; [ "$GREETING" = 'it'\''s $HOME' ]
[ "$(command -v python)" = "$VIRTUAL_ENV/bin/python" ]
python -c 'import found_here'
source haienv nothing 2>/dev/null || echo "status $?"
[ "$HF_ENV_NAME" = vision ]
source haienv 'speech[bob]'
[ "$HF_ENV_NAME" = speech ]; [ "$HF_ENV_OWNER" = bob ]
source haienv speech -u ann
[ "$OTHER" = 1 ]; [ -z "${GREETING-}" ]
deactivate
[ "$before" = "$(state)" ]
if typeset -f deactivate >/dev/null; then echo "a function is left"; fi
. "$HAIENV_PATH/vision/bin/activate"
source haienv speech
deactivate
[ "$VIRTUAL_ENV" = "$HAIENV_PATH/vision" ]
deactivate
[ "$before" = "$(state)" ]
source haienv 2>/dev/null || echo "status $?"
eval "$(haienv shell speech)"
echo "end $HF_ENV_NAME"
"""


@pytest.mark.parametrize("shell", SHELLS)
def test_sourcing_enters_switches_and_restores(shared: Shared, shell: str) -> None:
    options = ["-f"] if shell.endswith("zsh") else []
    done = shared.run(shell, *options, "-c", _SCRIPT)
    assert (done.stdout.splitlines(), done.stderr, done.returncode) == (
        ["status 3", "status 2", "end speech"],
        "",
        0,
    )


def test_lists(shared: Shared) -> None:
    document = json.loads(shared.haienv("list", "-a", "-o", "json").stdout)
    assert [one["name"] for one in document["own"]] == ["speech", "vision"]
    assert [(one["user"], one["name"]) for one in document["others"]] == [("bob", "speech")]
    assert document["own"][1]["py"] == ".".join(map(str, sys.version_info[:3]))
    assert document["own"][1]["extend"] is True
    table = shared.haienv("list", "-u", "bob").stdout.splitlines()
    assert table[0].split()[:2] == ["USER", "NAME"]
    assert table[1].split()[:2] == ["bob", "speech"]


def test_set_env_changes_this_process(shared: Shared) -> None:
    program = (
        "import haienv, os, sys; before = list(sys.path), dict(os.environ);"
        "haienv.set_env('speech[bob]'); haienv.set_env('vision');"
        "import found_here, numpy; print(os.environ['HF_ENV_NAME'], os.environ['GREETING'],"
        "[e.name for e in haienv.get_envs()], sys.path.index(os.environ['HF_ENV_PATH'] +"
        "f'/lib/python3.{sys.version_info[1]}/site-packages') >= 0, 'typer' in sys.modules)"
    )
    done = shared.run(sys.executable, "-c", program)
    assert done.stderr == ""
    assert done.stdout.strip() == "vision it's $HOME ['speech', 'vision'] True False"


def test_config(shared: Shared) -> None:
    shared.clone("tuned")
    for change in (
        ["append", "-n", "tuned", "-k", "extra-environment", "-v", "A=1"],
        ["append", "-n", "tuned", "-k", "extra_environment", "-v", "B=2"],
        ["clear", "-n", "tuned", "-k", "extra-search-dir"],
    ):
        done = shared.haienv("config", *change)
        assert (done.stderr, done.returncode) == ("", 0)
    shown = shared.haienv("config", "show", "-n", "tuned").stdout
    assert "A: '1'" in shown
    assert "B: '2'" in shown
    assert "extra-search-dir: []" in shown
    python = str(shared.root / "tuned" / "bin" / "python")
    assert shared.run(python, "-c", "import found_here").returncode == 1


def test_remove(shared: Shared) -> None:
    path = shared.clone("old")
    assert shared.haienv("remove", "old").returncode == 2  # nobody to ask
    assert shared.haienv("remove", "old", "-y", HF_ENV_PATH=str(path)).returncode == 6
    assert path.exists()
    assert shared.haienv("remove", "old", "-y").returncode == 0
    assert not path.exists()
    assert not list(shared.root.glob(".removed*"))


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        ("create vision", 6, "you have an environment 'vision' already"),
        ("create a/b", 2, "cannot be the name"),
        ("create new -p 3.99", 3, "no python3.99 on PATH"),
        ("create new -p /bin/false", 3, "is no Python that runs"),
        ("create new --extra-search-dir /no/such", 2, "no directory /no/such"),
        ("create new --extra-environment PATH=/x", 2, "PATH is set by haienv itself"),
        ("create new --extend-not", 2, "no such option"),
        ("creat new", 2, "did you mean create?"),
        ("config", 2, "missing command"),
        ("add vision --upgrde x", 2, "did you mean --upgrade?"),
        ("create new -r envs/../bad.txt", 2, "is not UTF-8 text"),
        ("create new --from-conda bad.yml", 2, "pip is no list"),
        ("gc --keep-days -3", 2, "give 0 or more days"),
        ("path visoin", 3, "did you mean 'vision'?"),
        ("list -u ..", 2, "cannot be a user"),
        ("list -o xml", 2, "no output format"),
        ("config append -n vision -k colour -v red", 2, "no key 'colour'"),
        ("config clear -n nothing -k extra-search-dir", 3, "no environment 'nothing'"),
    ],
)
def test_errors_say_what_is_wrong(shared: Shared, args: str, code: int, words: str) -> None:
    (shared.bin.parent / "bad.txt").write_bytes(b"\xff\xfe")
    (shared.bin.parent / "bad.yml").write_text("dependencies: [{pip: six}]")
    before = sorted(shared.root.iterdir())
    done = shared.haienv(*args.split())
    assert (done.returncode, done.stdout) == (code, "")
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert sorted(shared.root.iterdir()) == before


@pytest.mark.skipif(os.geteuid() != 0, reason="root takes on another user's uid")
def test_a_closed_folder_is_denied(shared: Shared) -> None:
    closed = shared.root.parent / "carol"
    closed.mkdir(exist_ok=True)
    closed.chmod(0o700)
    program = (
        "import os; from haienv.index import Index; from pathlib import Path; os.setuid(65534);"
        f"Index('ann', Path('{shared.root}'), Path('{shared.root.parent}')).environments('carol')"
    )
    for folder in [shared.root.parent, *shared.root.parent.parents][:4]:
        if folder != Path("/tmp") and folder.stat().st_uid == 0:
            folder.chmod(0o755)
    done = shared.run(sys.executable, "-c", program)
    assert "Denied: cannot read" in done.stderr


def test_the_scripts_of_the_base_run_under_the_layers_python(shared: Shared) -> None:
    """Whatever is installed in the layer is seen by them."""
    vision = shared.root / "vision"
    names = {"numpy-config", "pytest"}
    assert names <= {path.name for path in (vision / "bin").iterdir()}
    site = next((vision / "lib").glob("python3*/site-packages"))
    said = shared.bin.parent / "said"
    program = f"import sys\nopen({str(said)!r}, 'a').write(sys.prefix + '\\n')\n"
    (site / "layered_plugin.py").write_text(program)
    arguments = ("-p", "layered_plugin", "--markers")
    done = shared.run(str(vision / "bin" / "pytest"), *arguments)
    assert done.returncode == 0, done.stderr
    shared.run("bash", "-c", f"source haienv vision && pytest {' '.join(arguments)}")
    assert said.read_text() == f"{vision}\n" * 2
    pip = (vision / "bin" / "pip").read_text()
    assert "-m pip" in pip, "what was in the layer stays"


def test_names_and_paths_of_scripts(tmp_path: Path) -> None:
    folder = tmp_path / 'it\'s $a "folder"' / "bin"
    folder.mkdir(parents=True)
    (folder / "python").symlink_to(sys.executable)
    (folder / "mine").write_text("stays")
    scripts = {"main": "json.tool:main", "mine": "json:x", "../out": "json:x", "no": "json; evil()"}
    write_scripts(folder, {**scripts, "sub": "os:path.join [extra]"})
    assert sorted(path.name for path in folder.iterdir()) == ["main", "mine", "python", "sub"]
    done = subprocess.run(
        [folder / "main"], input=b"[1]", capture_output=True, check=True, env={"PATH": "/bin"}
    )
    assert json.loads(done.stdout) == [1]
    assert "sys.exit(path.join())" in (folder / "sub").read_text()
    assert (folder / "mine").read_text() == "stays"


@pytest.mark.parametrize("shell", SHELLS)
def test_sourcing_under_a_foreign_pythonhome(shared: Shared, shell: str) -> None:
    code = (
        "source haienv vision && python -c 'import sys; print(sys.prefix)';"
        'echo "${PYTHONHOME-none}"; deactivate; echo "$PYTHONHOME"'
    )
    done = shared.run(shell, "-c", code, PYTHONHOME="/nowhere")
    assert done.stdout.splitlines() == [str(shared.root / "vision"), "none", "/nowhere"]


def test_in_use_is_the_active_conda_environment(shared: Shared, tmp_path: Path) -> None:
    conda = tmp_path / "conda"
    venv.create(conda)
    (conda / "conda-meta").mkdir()
    found = find_interpreter("", {"CONDA_PREFIX": str(conda)})
    assert (found.path, found.prefix) == (str(conda / "bin" / "python"), str(conda))
    outer = str(shared.root / "vision")
    both = {"CONDA_PREFIX": str(conda), "VIRTUAL_ENV": outer}
    assert find_interpreter("", both).prefix == outer
    (tmp_path / "empty").mkdir()
    bare = find_interpreter("", {"CONDA_PREFIX": str(tmp_path / "empty")})
    assert bare.path == sys.executable


def test_a_lock_that_is_a_link_is_refused(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("text")
    root = tmp_path / "envs"
    root.mkdir()
    (root / ".lock").symlink_to(precious)
    with pytest.raises(Denied), Index("ann", root, None).locked():
        pass
    assert precious.read_text() == "text"
