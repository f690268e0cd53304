"""Bad input: one line that says what is wrong, a hint, the right exit code, and nothing changed."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.person import Person, Result
from tests.live import Live, free_port

pytestmark = [pytest.mark.acceptance, pytest.mark.xdist_group("cli_bad_input")]

SUBMIT = ("python", "ok.py", "--", "-g", "hollow", "-p", "NORMAL")
YAML = "version: 2\nname: {name}\nspec:\n  entrypoint: ok.py\nresource:\n  group: hollow\n"


SET = ("quota", "set")
# What admins type: the words that must be said, of the hint the command that helps.
ADMIN = [
    pytest.param((*SET, "ann", "node-moon-HIGH", "4"), 2, ["ann node-moon-HIGH=4"], id="3 words"),
    pytest.param((*SET, "ann", "cap:IPC_LOCK", "=", "1"), 2, ["cap:IPC_LOCK=1"], id="4 words"),
    pytest.param((*SET, "a-b", "train_environment:t", "1"), 2, ["t=1"], id="an image's 3 words"),
    pytest.param((*SET, "ann", "4"), 2, ["no resource", "quota set ann"], id="no resource"),
    pytest.param((*SET, "ann", "=4"), 2, ["no resource", "quota set ann"], id="only a number"),
    pytest.param((*SET, "ann", "node-hollow-HIGH=-1"), 2, ["'-1'"], id="a negative limit"),
    pytest.param((*SET, "ann", "node-hollow-HIGH=٤"), 2, ["'٤'"], id="a number of Unicode"),
    pytest.param((*SET, "*", f"node-hollow-LOW={'9' * 30}"), 2, ["0 to 1,000,000"], id="huge"),
    pytest.param((*SET, "ann", "node-hollow-URGENT=1"), 2, ["VERY_HIGH"], id="limit, priority"),
    pytest.param((*SET, "ann", "cap:NOT_ONE=1"), 2, ["cap:IPC_LOCK=1"], id="no capability"),
    pytest.param((*SET, "cap:IPC_LOCK=1", "ann"), 2, ["set ann cap:IPC_LOCK=1"], id="swapped"),
    pytest.param(
        (*SET, "*", "node-hollow-LOW=4", "node-hollow-LOW=5"), 2, ["twice"], id="a limit twice"
    ),
    pytest.param((*SET, "nobody", "cap:IPC_LOCK=1"), 3, ["nobody", "users list"], id="whose limit"),
    pytest.param(("quota", "list", "-u", "nobody"), 3, ["nobody"], id="quotas of nobody"),
    pytest.param(("quota", "list", "-u", ""), 3, ["''"], id="quotas of an empty name"),
    pytest.param(("nodes", "-g", "moon"), 3, ["moon", "hollow"], id="nodes of no group"),
    pytest.param(("users", "tokens", "nobody"), 3, ["nobody"], id="tokens of nobody"),
    pytest.param(("users", "revoke", ""), 3, ["''"], id="no token's id"),
    pytest.param(("users", "revoke", "../x"), 3, ["../x"], id="a path as a token's id"),
    pytest.param(("users", "add", "ann", "--uid", "-1"), 2, ["id -u ann"], id="no uid"),
    pytest.param(("users", "token", "root", "--expires", "99999999d"), 2, ["36500"], id="lasts"),
    pytest.param(("images", "add", "t", "r/t:1", "--for", ""), 2, ["public"], id="for nobody"),
    pytest.param(("images", "remove", ""), 3, ["''"], id="remove no image"),
    pytest.param(("mounts", "add", "a", "/b"), 2, ["pvc", "/ON/THE/NODE"], id="a relative source"),
    pytest.param(("status", "a/b"), 3, ["a/b"], id="a slash in a task's name"),
]


@pytest.fixture(scope="module", autouse=True)
def _desk(shared_live: Live, hai: Person) -> None:
    """What the commands below refer to."""
    shared_live.script("ok.py", "")
    (hai.desk / "folder").mkdir()
    (hai.desk / "one.yaml").write_text(YAML.format(name="one").replace("2", "1", 1))
    (hai.desk / "broken.yaml").write_text("version: 2\nname: [")
    (hai.desk / "list.yaml").write_text("- version: 2\n")
    (hai.desk / "odd.yaml").write_text(YAML.format(name="odd") + "colour: red\n")
    for name in ("taken", "second"):
        shared_live.wait(hai.hollow(name), "running")  # from now on they do not change


def facts(live: Live) -> Any:
    """All that a refused command could have changed."""
    with live.client() as client:
        tasks = client.get("/tasks", params={"user": "all", "page_size": 100}).json()
        return tasks, client.get("/quotas").json(), client.get("/users").json()


def check(result: Result, code: int, *words: str) -> None:
    """One line of error, a hint, nothing on stdout."""
    assert result.code == code, (result.code, result.err)
    assert result.out == ""
    error, hint, *rest = result.err.rstrip("\n").split("\n")
    assert not rest, result.err
    assert error.startswith("hai-cli: ")
    assert hint.strip().startswith("hint: ")
    assert len(error) < 600, "long input is not repeated whole"
    for word in words:
        assert word in result.err


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        pytest.param((*SUBMIT, "-n", "0"), 2, ["node"], id="no nodes"),
        pytest.param((*SUBMIT, "-n", "1000000"), 2, ["node"], id="a million nodes"),
        pytest.param((*SUBMIT, "-n", "5"), 2, ["hollow has 4"], id="wider than the group"),
        pytest.param((*SUBMIT, "-n", "two"), 2, ["two"], id="nodes in words"),
        pytest.param((*SUBMIT, "-g", "moon"), 2, ["moon", "hollow"], id="unknown group"),
        pytest.param((*SUBMIT, "-p", "URGENT"), 2, ["URGENT"], id="unknown priority"),
        pytest.param(("list", "-u", "alcie"), 3, ["alcie"], id="tasks of nobody"),
        pytest.param(("list", "-a", "-g", "moon"), 3, ["moon", "hollow"], id="tasks of no group"),
        pytest.param(("nodes", "-g", "moon"), 3, ["moon", "hollow"], id="nodes of no group"),
        pytest.param(("events", "-u", "alcie"), 3, ["alcie"], id="events of nobody"),
        pytest.param((*SUBMIT, "-p", "VERY_HIGH"), 5, ["quota"], id="over quota"),
        pytest.param((*SUBMIT, "--name", "x" * 4096), 2, ["name"], id="a 4 kB name"),
        pytest.param((*SUBMIT, "--name", "a/b"), 2, ["name"], id="a slash in the name"),
        pytest.param((*SUBMIT, "--name", "taken"), 6, ["taken"], id="a name in use"),
        pytest.param((*SUBMIT, "--nodse", "2"), 2, ["--nodes"], id="a typo in an option"),
        pytest.param((*SUBMIT, "-e", "1x=y"), 2, ["1x"], id="no name of a variable"),
        pytest.param((*SUBMIT, "-e", "x"), 2, ["x"], id="a variable without a value"),
        pytest.param((*SUBMIT, "--", "-n", "1"), 2, ["--"], id="a repeated separator"),
        pytest.param((*SUBMIT, "++", "-ss", "1"), 2, ["++"], id="both separators"),
        pytest.param(
            (*SUBMIT, "--options", "watchdog_time=soon"),
            2,
            ["watchdog_time"],
            id="an option's value",
        ),
        pytest.param(("python", "none.py", "--", "-n", "1"), 3, ["none.py"], id="missing file"),
        pytest.param(("python", "none.py"), 3, ["none.py"], id="missing file, local"),
        pytest.param(("python", "folder", "--", "-n", "1"), 2, ["folder"], id="a directory"),
        pytest.param(("run", "one.yaml"), 2, ["version"], id="yaml of another version"),
        pytest.param(("run", "broken.yaml"), 2, ["broken.yaml"], id="broken yaml"),
        pytest.param(("run", "list.yaml"), 2, ["list.yaml"], id="yaml without a mapping"),
        pytest.param(("run", "odd.yaml"), 2, ["colour", "--dry-run"], id="an unknown key"),
        pytest.param(("run", "none.yaml"), 3, ["none.yaml"], id="no such yaml"),
        pytest.param(("status", "nobody"), 3, ["nobody"], id="unknown name"),
        pytest.param(("status", "99999"), 3, ["99999"], id="unknown id"),
        pytest.param(("stop", "nobody", "-y"), 3, ["nobody"], id="stop an unknown task"),
        pytest.param(("priority", "taken", "URGENT"), 2, ["URGENT"], id="priority in words"),
        pytest.param(("priority", "taken", "EXTREME_HIGH"), 5, ["quota"], id="priority over quota"),
        pytest.param(("resume", "nobody"), 3, ["nobody"], id="resume an unknown task"),
        pytest.param(("logs", "taken", "--rank", "x-y"), 2, ["x-y"], id="nonsense ranks"),
        pytest.param(("logs", "taken", "--rank", "0,7"), 3, ["rank 7"], id="no such rank"),
        pytest.param(("logs", "taken", "--since", "soon"), 2, ["soon"], id="nonsense time"),
        pytest.param(("logs", "taken", "--grep", "("), 2, ["("], id="a bad pattern"),
        pytest.param(("logs", "taken", "--attempt", "7"), 3, ["attempt"], id="no such attempt"),
        pytest.param(("list", "--state", "happy"), 2, ["happy"], id="unknown state"),
        pytest.param(("list", "-o", "xml"), 2, ["xml"], id="unknown format"),
        pytest.param(("lsit",), 2, ["list"], id="a typo in a command"),
        pytest.param(("stop", "taken", "second"), 2, ["--yes"], id="a question on a pipe"),
        pytest.param(("quota", "set", "*", "node-moon-HIGH", "1"), 2, ["moon"], id="quota, group"),
        *ADMIN,
        pytest.param(("users", "add", "bad name"), 2, ["bad name"], id="a blank in a user's name"),
        pytest.param(("wait", "taken", "--timeout", "x"), 2, ["x"], id="nonsense timeout"),
    ],
)
def test_refused(
    shared_live: Live, hai: Person, words: tuple[str, ...], code: int, said: list[str]
) -> None:
    before = facts(shared_live)
    check(hai(*words), code, *said)
    assert facts(shared_live) == before


def profile(folder: Path, url: str, token: str) -> str:
    path = folder / "conf.yaml"
    path.touch(0o600)
    path.write_text(f"url: {url}\ntoken: {token}\n")
    return str(path)


def test_no_server(hai: Person, tmp_path: Path) -> None:
    conf = profile(tmp_path, f"http://127.0.0.1:{free_port()}", "hai_secret")
    for words in (("list",), SUBMIT, ("logs", "-f", "taken"), ("nodes",)):
        result = hai(*words, HAI_CONF=conf)
        check(result, 7, "hai-up")
        assert "hai_secret" not in result.err


def test_a_bad_token(hai: Person, shared_live: Live, tmp_path: Path) -> None:
    result = hai("list", HAI_CONF=profile(tmp_path, shared_live.url, "hai_secret"))
    check(result, 4, "init")
    assert "hai_secret" not in result.err


def test_no_profile(hai: Person, tmp_path: Path) -> None:
    check(hai("list", HAI_CONF=str(tmp_path / "none.yaml")), 7, "init")


def test_somebody_elses_task(hai: Person, shared_live: Live) -> None:
    shared_live.add_user("carol")
    carol = replace(hai, user="carol")
    with shared_live.client() as client:
        task_id = str(client.get("/tasks/taken").json()["id"])
    before = facts(shared_live)
    for words in (("suspend", task_id), ("priority", task_id, "LOW"), ("logs", task_id)):
        check(carol(*words), 5, "belongs to root")
    check(carol("users", "add", "eve", "--uid", "1234"), 5, "admin")
    assert facts(shared_live) == before


def test_errors_as_json(hai: Person) -> None:
    result = hai("status", "nobody", "-o", "json")
    assert (result.code, result.out) == (3, "")
    error = json.loads(result.err)
    assert error["code"] == "not_found"
    assert set(error) >= {"code", "message", "hint", "request_id"}
