"""The whole CLI in this process, against a small real HTTP server."""
# ruff: noqa: S105 - the tokens here are made up

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from hai.cli.catalog import ALIASES, CATALOG
from hai.client.profile import load_profile
from tests.unit.cli.conftest import Cli
from tests.unit.cli.peer import Peer, Reply, Request, error, sse, task_view, whoami_view

ROOT = Path(__file__).parents[3]
API = "/api/v1"


def task_list(*tasks: object) -> Reply:
    body = {"schema_version": 1, "tasks": list(tasks), "total": 30, "page": 1, "page_size": 12}
    return Reply(body=body)


@pytest.mark.parametrize("name", [*CATALOG, *ALIASES])
def test_every_command_has_help_that_starts_with_examples(cli: Cli, name: str) -> None:
    for flag in ("--help", "-h"):
        result = cli(name, flag)
        assert result.code == 0
        usage, examples = result.out.split("\n\n")[:2]
        assert usage.startswith("Usage: hai-cli")
        assert examples.startswith("Examples:")
    assert not result.err


def test_bare_hai_cli_shows_help(cli: Cli) -> None:
    assert "Examples:" in cli().out


@pytest.mark.parametrize("topic", ["exit-codes", "modes", "formats", "environment", "logs", "ls"])
def test_help_topics(cli: Cli, topic: str) -> None:
    result = cli("help", topic)
    assert result.code == 0
    assert result.out


@pytest.mark.parametrize("command", ["--help", "version"])
def test_nothing_heavy_is_loaded(command: str) -> None:
    script = (
        "import sys\nfrom hai.cli.main import main\n"
        f"try: main(['{command}'])\nexcept SystemExit: pass\n"
        "heavy = {'pydantic', 'rich', 'httpx2', 'yaml', 'asyncio', 'fastapi', 'psycopg'}\n"
        "sys.exit(' '.join(heavy & set(sys.modules)) or 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("lsit", "did you mean list?"),
        ("list --stat x", "did you mean --state?"),
        ("list extra", "unexpected extra argument"),
        ("status", "missing argument"),
        ("list -p x", "not a whole number"),
        ("list -o xml", "choose one of table"),
        ("list --color blue", "auto, always or never"),
        ("logs x -r 3-1", "empty"),
        ("logs x --grep (", "regular expression"),
        ("logs x --prev --attempt 2", "contradict"),
        ("priority x URGENT", "choose one of"),
        ("quota nonsense", "no such command"),
        ("python -n 2 -- ", "FILE comes first"),
        ("python x.py -- -n 2 more", "unexpected extra argument"),
        ("python x.py -- --nodse 2", "did you mean --nodes?"),
        ("python x.py ++ -ss -4", "must not be negative"),
        ("python x.py ++ -n 2", "possible only after `--`"),
        ("python x.py -- -ss 2", "possible only after `++`"),
        ("python x.py -- ++", "separator"),
        ("python -- -n 2", "FILE is missing"),
        ("help nothing", "topics:"),
        ("status 1 -t colour", "no kind of EXP"),
        ("list --timeout 10x", "duration"),
    ],
)
def test_usage_errors_exit_2_with_a_way_on(cli: Cli, joined: Peer, line: str, words: str) -> None:
    result = cli(*line.split())
    assert result.code == 2, result.err
    assert words in result.err
    assert "  hint: " in result.err
    assert not result.out
    assert not joined.requests


def test_no_profile_no_server_wrong_port(cli: Cli, tmp_path: Path) -> None:
    assert cli("list").code == 7
    (tmp_path / "conf.yaml").write_text("url: http://127.0.0.1:9\ntoken: x\n")
    result = cli("list")
    assert result.code == 7
    assert "hai-up status" in result.err


def test_list_keeps_data_and_narration_apart(cli: Cli, joined: Peer) -> None:
    joined.on("GET", f"{API}/tasks", task_list(task_view()))
    result = cli("list", "-a", "--state", "running,queued", "-g", "training")
    assert result.out.splitlines()[1].split()[:2] == ["12", "train.py"]
    assert "1 of 30 tasks" in result.err
    query = joined.requests[-1].query
    assert query["user"] == ["all"]
    assert query["state"] == ["running", "queued"]
    assert joined.requests[-1].headers["authorization"] == "Bearer t0ken-secret"
    assert cli("ls", "-q").out == "12\n"
    assert json.loads(cli("list", "--json").out)[0]["id"] == 12
    assert json.loads(cli("list", "-j").out)[0]["id"] == 12
    assert json.loads(cli("-o", "json", "list").out)[0]["id"] == 12


@pytest.mark.parametrize("words", ["-o json", "--json", "-j"])
def test_errors_are_json_when_json_was_asked_for(cli: Cli, joined: Peer, words: str) -> None:
    result = cli("status", "nope", *words.split())
    assert result.code == 3
    assert json.loads(result.err)["request_id"] == "r-1"


@pytest.mark.parametrize(
    ("code", "status", "exit_code"),
    [("auth_required", 401, 4), ("over_quota", 403, 5), ("name_in_use", 409, 6), ("odd", 418, 1)],
)
def test_server_errors_have_their_exit_codes(
    cli: Cli, joined: Peer, code: str, status: int, exit_code: int
) -> None:
    joined.on("GET", f"{API}/tasks/12", error(code, status, "sorry"))
    result = cli("status", "12")
    assert result.code == exit_code
    assert result.err == "hai-cli: sorry\n  hint: look again\n"


def test_the_token_never_shows(cli: Cli, joined: Peer) -> None:
    joined.on("GET", f"{API}/tasks", task_list())
    result = cli("list", "--debug")
    assert "GET /api/v1/tasks" in result.err
    assert "request r-1" in result.err
    assert "t0ken-secret" not in result.err + result.out
    assert "t0ken-secret" not in str(joined.requests[0].query) + joined.requests[0].path


def test_init_checks_then_stores(
    cli: Cli, peer: Peer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    peer.on("GET", f"{API}/whoami", Reply(body=whoami_view()))
    monkeypatch.setenv("HAI_TOKEN", "s3cret")
    result = cli("init", "--url", peer.url)
    assert result.code == 0, result.err
    assert "you are alice" in result.err
    assert "s3cret" not in result.out + result.err
    path = tmp_path / "conf.yaml"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert load_profile().token == "s3cret"
    result = cli("init", "argv-token", "--url", peer.url, "--bff_url", "http://old.example")
    assert "visible to others" in result.err
    peer.on("GET", f"{API}/whoami", error("auth_required", 401, "unknown token"))
    assert cli("init", "wrong", "--url", peer.url).code == 4
    assert load_profile().token == "argv-token"


def test_whoami_shows_quota_bars(cli: Cli, joined: Peer) -> None:
    joined.on("GET", f"{API}/whoami", Reply(body=whoami_view()))
    out = cli("whoami").out
    assert out == cli("whoami", "--ascii").out
    assert "alice (user)" in out
    assert "[#####...............]" in out
    assert json.loads(cli("whoami", "-o", "json").out)["user"]["name"] == "alice"


def test_submit_says_what_came_of_it(
    cli: Cli, joined: Peer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.py").touch()
    joined.on("POST", f"{API}/tasks", Reply(201, task_view(state="queued")))
    result = cli("python", "train.py", "-n", "9", "--help", "--", "-n", "2", "-e", "A=1")
    assert result.code == 0, result.err
    assert "task 12 'train.py' submitted: 2 nodes of training, priority HIGH" in result.err
    assert "hai-cli logs -f 12" in result.err
    body = joined.requests[0].body
    assert body["spec"]["parameters"] == "-n 9 --help"
    assert body["resource"]["node_count"] == 2
    assert body["request_id"]
    assert cli("python", "train.py", "--", "-q").out == "12\n"


def test_a_dry_run_without_a_server_prints_the_document(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a b.py").touch()
    result = cli("python", "a b.py", "--", "--dry-run", "-o", "json")
    assert json.loads(result.out)["spec"]["entrypoint"] == "a b.py"
    assert result.code == 0
    assert "what would become of it is unknown" in result.err


def logs_of(state: str, code: int | None) -> Reply:
    line = {"attempt": 1, "rank": 0, "at": "2030-01-01T00:00:00Z", "text": "hello"}
    return sse(
        ("state", task_view(), ""),
        ("lines", {"lines": [line]}, "c1"),
        ("end", {"state": state, "exit_code": code, "why": ""}, ""),
    )


@pytest.mark.parametrize(
    ("state", "code", "exit_code"), [("succeeded", 0, 0), ("failed", 7, 7), ("stopped", None, 1)]
)
def test_run_follow_exits_with_the_tasks_code(
    cli: Cli, joined: Peer, tmp_path: Path, state: str, code: int | None, exit_code: int
) -> None:
    document = tmp_path / "run.yaml"
    document.write_text("version: 2\nname: x\nspec: {entrypoint: x.py}\nresource: {group: a}\n")
    joined.on("POST", f"{API}/tasks", Reply(201, task_view(state="queued")))
    joined.on("GET", f"{API}/tasks/12/logs", logs_of(state, code))
    result = cli("run", str(document), "-f", "-n", "3", "-p", "low")
    assert result.code == exit_code
    assert result.out == "hello\n"
    assert f"task 12 {state}" in result.err
    body = joined.requests[0].body
    assert body["resource"] == {"group": "a", "node_count": 3}
    assert body["priority"] == 0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("version: 1\n", "version 1"),
        ("name: x\n", "version None"),
        ("- a\n", "no run document"),
        ("a: [\n", "line"),
        ("", "no run document"),
    ],
)
def test_wrong_documents(cli: Cli, joined: Peer, tmp_path: Path, text: str, words: str) -> None:
    document = tmp_path / "run.yaml"
    document.write_text(text)
    result = cli("run", str(document))
    assert result.code == 2
    assert words in result.err
    assert not joined.requests


def test_logs_pass_the_question_on(cli: Cli, joined: Peer) -> None:
    joined.on("GET", f"{API}/tasks/train.py/logs", logs_of("failed", 3))
    result = cli("logs", "train.py", "-r", "0,2-3", "--grep", "h.*o", "-t", "--prev")
    assert result.code == 0
    assert result.out == "[0] 2030-01-01T00:00:00Z hello\n"
    query = joined.requests[0].query
    assert {k: v[0] for k, v in query.items()} == {
        "rank": "0,2-3",
        "prev": "1",
    }
    assert cli("logs", "train.py", "--exit-code").code == 3
    assert cli("logs", "train.py", "-q").out == "hello\n"
    assert cli("logs", "train.py", "--grep", "nothing").out == ""
    assert cli("logs", "train.py", "--grep", "l+", "--tail", "1").out == "hello\n"
    assert "tail" not in joined.requests[-1].query
    assert json.loads(cli("logs", "train.py", "-o", "jsonl").out)["text"] == "hello"
    assert json.loads(cli("logs", "train.py", "-o", "json").out)[0]["text"] == "hello"


def test_exp_may_be_a_document(cli: Cli, joined: Peer, tmp_path: Path) -> None:
    document = tmp_path / "run.yml"
    document.write_text("version: 2\nname: my run\n")
    joined.on("GET", f"{API}/tasks/my%20run", Reply(body={**task_view(), "attempt_list": []}))
    assert cli("status", str(document)).code == 0


def test_stop_asks_where_it_should(cli: Cli, joined: Peer) -> None:
    joined.on("GET", f"{API}/whoami", Reply(body=whoami_view("alice")))
    for task_id, user in ((12, "alice"), (13, "bob")):
        view = task_view(id=task_id, user=user)
        joined.on("GET", f"{API}/tasks/{task_id}", Reply(body=view))
        joined.on("POST", f"{API}/tasks/{task_id}/stop", Reply(body=view))
    assert cli("stop", "12").code == 0
    for line in (("stop", "13"), ("stop", "12", "13")):
        result = cli(*line)
        assert result.code == 2
        assert "--yes" in result.err
    assert cli("stop", "12", "13", "-y").code == 0
    joined.requests.clear()
    assert cli("stop", "12", "13", "--dry-run").code == 0
    assert {request.method for request in joined.requests} == {"GET"}


def test_bulk_actions_report_each_failure(cli: Cli, joined: Peer) -> None:
    joined.on("POST", f"{API}/tasks/12/suspend", Reply(body=task_view(state="suspending")))
    joined.on("POST", f"{API}/tasks/13/suspend", error("conflict", 409, "13 has ended"))
    result = cli("suspend", "13", "12")
    assert result.code == 6
    assert "13 has ended" in result.err
    assert "task 12 'train.py' is told to save and leave its nodes, now suspending" in result.err


def test_quota_set(cli: Cli, joined: Peer) -> None:
    def keep(request: Request) -> Reply:
        rows = [{**row, "group": "g", "priority": "HIGH"} for row in request.body["quotas"]]
        return Reply(body={"quotas": rows})

    joined.on("PUT", f"{API}/quotas", keep)
    assert cli("quota", "set", "*", "node-g-HIGH=4").code == 0
    assert joined.requests[-1].body == {
        "quotas": [{"user": "*", "resource": "node-g-HIGH", "nodes": 4}]
    }
    for wrong in ("node-g-HIGH", "node-g-HIGH=x", "gpu-g-HIGH=1", "node-g-AUTO=1"):
        assert cli("quota", "set", "bob", wrong).code == 2


def test_completion_knows_tasks_and_is_silent_without_a_server(
    joined: Peer, tmp_path: Path
) -> None:
    def complete(words: str, count: int) -> list[str]:
        environ = {
            **os.environ,
            "_HAI_CLI_COMPLETE": "complete_bash",
            "COMP_WORDS": words,
            "COMP_CWORD": str(count),
        }
        done = subprocess.run(
            [sys.executable, "-m", "hai.cli.main"],
            env=environ,
            capture_output=True,
            text=True,
            cwd=ROOT,
            check=False,
        )
        assert done.stderr == ""
        return done.stdout.split()

    joined.on("GET", f"{API}/tasks", task_list(task_view()))
    assert complete("hai-cli sta", 1) == ["status"]
    assert complete("hai-cli status tr", 2) == ["train.py"]
    assert complete("hai-cli stop 1", 2) == ["12"]
    assert complete("hai-cli priority train.py hi", 3) == ["high"]
    assert complete("hai-cli python x.py -- --no", 4) == ["--nodes", "--no_inherit", "--no-inherit"]
    (tmp_path / "conf.yaml").write_text("url: http://127.0.0.1:9\ntoken: x\n")
    assert complete("hai-cli status tr", 2) == []


def test_a_closed_pipe_is_quiet(joined: Peer) -> None:
    joined.on("GET", f"{API}/tasks", task_list(*[task_view(id=i) for i in range(3000)]))
    with subprocess.Popen(
        [sys.executable, "-m", "hai.cli.main", "list"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(60) == 141


def test_local_modes_with_real_children(tmp_path: Path) -> None:
    script = tmp_path / "my prog.py"
    script.write_text(
        "import os, sys\n"
        "print(sys.argv[1:], os.environ['WORLD_SIZE'], os.environ.get('HAI_SIMULATE'),\n"
        "      os.environ.get('MARSV2_WHOLE_LIFE_STATE'), os.environ.get('SIMULATE_SUSPEND'))\n"
        "sys.exit(int(sys.argv[1]))\n"
    )

    def run(*args: str) -> tuple[int, str]:
        done = subprocess.run(
            [sys.executable, "-m", "hai.cli.main", "python", str(script), *args],
            capture_output=True,
            text=True,
            cwd=ROOT,
            check=False,
        )
        return done.returncode, done.stdout

    assert run("5", "-n", "--help") == (5, "['5', '-n', '--help'] 1 None None None\n")
    assert run("0", "++", "-ls", "4", "-ss", "9") == (0, "['0'] 1 1 4 9\n")
