"""hai-cli in scripts: data on stdout in every form, narration on stderr, exit codes that count."""

import csv
import io
import json
import shlex
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.acceptance.person import PROGRAM, Person
from tests.live import Live
from tests.waiting import wait_until

pytestmark = [pytest.mark.acceptance, pytest.mark.xdist_group("cli_pipes")]

ECHO = """
import json, os, sys
print(json.dumps({"args": sys.argv[1:], "rank": os.environ["RANK"], "cwd": os.getcwd()}))
sys.exit(int(os.environ.get("CODE", "0")))
"""
ARGUMENTS = ["-n", "--help", "two words", "it's", 'a "quote"', "naïve ☃", "", "$HOME", "*"]


def echoed(text: str) -> dict[str, object]:
    """What the program above said, in one of these lines."""
    line = next(line for line in text.splitlines() if line.startswith("{"))
    said: dict[str, object] = json.loads(line)
    return said


def test_local_mode_is_the_program_itself(hai: Person) -> None:
    hai.live.script("echo.py", ECHO)
    done = hai("python", "echo.py", *ARGUMENTS, CODE="9")
    assert done.code == 9
    assert echoed(done.out) == {"args": ARGUMENTS, "rank": "0", "cwd": str(hai.desk)}


def test_arguments_reach_the_cluster_as_they_were_typed(hai: Person) -> None:
    hai.live.script("echo.py", ECHO)
    done = hai("python", "echo.py", *ARGUMENTS, "--", "-f", "--name", "typed", "-e", "CODE=9")
    assert done.code == 9, done.err
    assert echoed(done.out)["args"] == ARGUMENTS
    assert "exit code 9" in done.err


@pytest.mark.parametrize("verb", ["bash", "exec"])
def test_scripts_and_executables_in_three_modes(hai: Person, verb: str) -> None:
    name = f"three modes.{verb}"  # a blank in the path is nothing special
    hai.live.script(name, '#!/bin/bash\necho "got $1 as $RANK, ${HFAI_SIMULATE:-real}"\nexit 3\n')
    file = f"./{name}" if verb == "exec" else name
    local = hai(verb, file, "a b")
    assert (local.code, local.out) == (3, "got a b as 0, real\n")
    rehearsed = hai(verb, file, "a b", "++", "-ss", "60")
    assert (rehearsed.code, rehearsed.out) == (3, "got a b as 0, 1\n")
    task = hai(verb, file, "a b", "--", "-f", "--name", f"three-{verb}")
    assert (task.code, "got a b as 0, real\n" in task.out) == (3, True), task.err


REHEARSED = """
import time
from hai.client import get_whole_life_state, go_suspend, receive_suspend_command
from hai.client import set_whole_life_state
print("life", get_whole_life_state(), flush=True)
while not receive_suspend_command():
    time.sleep(0.02)
set_whole_life_state(6)
go_suspend()
print("never")
"""


def test_a_rehearsed_suspension(hai: Person) -> None:
    hai.live.script("rehearsed.py", REHEARSED)
    done = hai("python", "rehearsed.py", "++", "-ss", "1", "-ls", "5")
    assert (done.code, done.out) == (0, "life 5\n"), done.err
    assert "6" in done.err


def test_a_workspace_with_blanks(hai: Person) -> None:
    folder = hai.desk / "my work" / "über"
    folder.mkdir(parents=True)
    (folder / "my train.py").write_text(ECHO)
    done = hai("python", "my train.py", "--", "-f", cwd=folder)
    assert done.code == 0, done.err
    assert echoed(done.out)["cwd"] == str(folder)


def test_run_yaml_with_overrides_and_from_stdin(hai: Person) -> None:
    hai.live.script("echo.py", ECHO)
    document = {
        "version": 2,
        "name": "from-yaml",
        "priority": 10,
        "spec": {"entrypoint": "echo.py", "workspace": str(hai.desk), "parameters": "a 'b c'"},
        "resource": {"group": "training", "node_count": 1},
    }
    file = hai.desk / "task.yaml"
    file.write_text(yaml.safe_dump(document))
    done = hai("run", "task.yaml", "-n", "2", "-p", "HIGH", "-f")
    assert done.code == 0, done.err
    assert echoed(done.out)["args"] == ["a", "b c"]
    assert "2 nodes of training, priority HIGH" in done.err
    piped = hai("run", "-", "-q", stdin=file.read_bytes())
    assert piped.code == 0, piped.err
    assert hai("wait", piped.out.strip()).code == 0
    by_file = json.loads(hai("status", "task.yaml", "-o", "json").out)
    assert by_file["id"] == int(piped.out)


def test_a_dry_run_submits_nothing(hai: Person) -> None:
    hai.live.script("echo.py", ECHO)
    before = json.loads(hai("list", "-a", "-ps", "100", "-o", "json").out)
    shown = hai("python", "echo.py", "x y", "--", "-n", "3", "--dry-run")
    assert shown.code == 0
    document = yaml.safe_load(shown.out)
    assert document["resource"]["node_count"] == 3
    assert shlex.split(document["spec"]["parameters"]) == ["x y"]
    assert json.loads(hai("list", "-a", "-ps", "100", "-o", "json").out) == before


def test_every_form_of_a_list_is_data(hai: Person) -> None:
    task_id = hai.hollow("formed")
    hai.live.wait(task_id, "running")
    rows = json.loads(hai("list", "-o", "json").out)
    assert task_id in [row["id"] for row in rows]
    assert yaml.safe_load(hai("list", "-o", "yaml").out) == rows
    lines = hai("list", "-o", "jsonl").out.splitlines()
    assert [json.loads(line)["id"] for line in lines] == [row["id"] for row in rows]
    table = list(csv.DictReader(io.StringIO(hai("list", "-o", "csv").out)))
    assert "formed" in [row["name"] for row in table]
    names = hai("list", "-o", "name").out.split()
    assert str(task_id) in names
    for form in ("table", "wide"):
        done = hai("list", "-o", form)
        assert "formed" in done.out
        assert "\x1b" not in done.out
    for words in (
        ("nodes",),
        ("whoami",),
        ("status", "formed"),
        ("events", "formed"),
        ("users", "list"),
        ("quota", "list"),
    ):
        done = hai(*words, "-o", "json")
        assert done.code == 0, done.err
        assert json.loads(done.out)
    assert "hollow-" in hai("nodes", "--tree").out
    assert "entrypoint: hollow.py" in hai("describe", "formed").out
    fields = json.loads(hai("status", "formed", "-o", "json", "--fields", "id,state").out)
    assert set(fields) == {"id", "state"}


def test_a_reader_that_goes_away_is_no_drama(hai: Person) -> None:
    command = (
        f"{shlex.join([*PROGRAM, 'list', '-a', '-o', 'json'])} | head -c 1; exit ${{PIPESTATUS[0]}}"
    )
    done = subprocess.run(
        ["bash", "-c", command], env=hai.environ(), capture_output=True, check=False
    )
    assert done.stderr == b""
    assert done.returncode in (0, 141)


def test_verbs_on_tasks_by_every_kind_of_name(hai: Person) -> None:
    task_id = hai.hollow("verbs")
    wait_until(lambda: state(hai, "verbs") == "running", what="running")
    assert hai("suspend", "@last").code == 0
    wait_until(lambda: state(hai, str(task_id)) == "suspended", what="suspended")
    assert "resume" in hai("status", "verbs").out
    assert hai("priority", "verbs", "low").code == 0
    assert hai("resume", str(task_id)).code == 0
    wait_until(lambda: state(hai, "verbs") == "running", what="running again")
    assert hai("stop", "verbs", "--dry-run").code == 0
    assert state(hai, "verbs") == "running"
    assert hai("stop", "verbs").code == 0
    waited = hai("wait", "verbs", "--timeout", "100s")
    assert waited.code == 1
    assert "stopped" in waited.err


def state(hai: Person, ref: str) -> str:
    found: str = json.loads(hai("status", ref, "-o", "json").out)["state"]
    return found


TALKS = """
import os, sys
for number in range(5):
    print(f"rank {os.environ['RANK']} line {number} attempt {os.environ['HAI_ATTEMPT']}")
"""


def test_logs_of_ranks_tails_and_patterns(hai: Person) -> None:
    hai.submit("talks.py", TALKS, "-n", "4")
    assert hai("wait", "talks.py").code == 0
    assert hai("logs", "talks.py").out.splitlines() == [
        f"rank 0 line {i} attempt 1" for i in range(5)
    ]
    picked = hai("logs", "talks.py", "-r", "1,2-3").out.splitlines()
    assert len(picked) == 15
    assert {line[:4] for line in picked} == {"[1] ", "[2] ", "[3] "}
    assert len(hai("logs", "talks.py", "-r", "all").out.splitlines()) == 20
    assert hai("logs", "talks.py", "--tail", "2").out.splitlines() == [
        "rank 0 line 3 attempt 1",
        "rank 0 line 4 attempt 1",
    ]
    assert (
        hai("logs", "talks.py", "--grep", "line [13]", "--tail", "1").out
        == "rank 0 line 3 attempt 1\n"
    )
    assert len(hai("logs", "talks.py", "--since", "10m").out.splitlines()) == 5
    assert hai("logs", "talks.py", "--since", "2099-01-01T00:00:00Z").out == ""
    stamped = hai("logs", "talks.py", "-t", "--tail", "1").out
    assert stamped.startswith("20")
    assert hai("logs", "talks.py", "--prev").code == 3


def test_logs_of_an_earlier_attempt(hai: Person) -> None:
    hai.submit("twice.sh", 'echo "attempt $HAI_ATTEMPT"\n[ "$HAI_ATTEMPT" = 2 ] || sleep 300\n')
    wait_until(lambda: hai("logs", "twice.sh").out == "attempt 1\n", what="the first attempt")
    assert hai("suspend", "twice.sh").code == 0
    wait_until(lambda: state(hai, "twice.sh") == "suspended", what="suspended")
    assert hai("resume", "twice.sh").code == 0
    assert hai("wait", "twice.sh").code == 0
    assert "attempt 2" in hai("logs", "twice.sh", "--attempt", "2").out
    earlier = hai("logs", "twice.sh", "--prev").out
    assert "attempt 1" in earlier
    assert "attempt 2" not in earlier
    followed = hai("logs", "-f", "twice.sh", "--exit-code")
    assert followed.code == 0
    assert [line for line in followed.out.splitlines() if line.startswith("attempt")] == [
        "attempt 1",
        "attempt 2",
    ]


def test_bytes_and_long_lines_do_not_break_anything(hai: Person) -> None:
    hai.submit(
        "bytes.sh", "printf 'caf\\351\\n'; head -c 1000000 /dev/zero | tr '\\0' x; echo; echo end\n"
    )
    assert hai("wait", "bytes.sh").code == 0
    first, long, last = hai("logs", "bytes.sh").out.splitlines()
    assert first.startswith("caf")
    assert long == "x" * 1_000_000
    assert last == "end"
    assert hai("logs", "bytes.sh", "--tail", "1", PYTHONIOENCODING="ascii").out == "end\n"


def test_exit_codes_of_jobs(hai: Person) -> None:
    hai.submit("fails.sh", "exit 7\n")
    assert hai("wait", "fails.sh").code == 7
    assert hai("logs", "fails.sh", "--exit-code").code == 7
    assert hai("logs", "fails.sh").code == 0
    hai.hollow("endless")
    assert hai("wait", "endless", "--timeout", "1s").code == 8


IN_TASK = """
import asyncio
from hai.client import create_experiment, get_experiment, get_experiments

async def main():
    made = await create_experiment({
        "version": 2, "name": "child", "priority": 10, "spec": {"entrypoint": "x"},
        "resource": {"group": "hollow", "node_count": 1},
        "options": {"simulate": {"seconds": 0}},
    })
    found = await get_experiment("child")
    total, page = await get_experiments(1, 5)
    print("same", made.id == found.id, "listed", any(one.id == made.id for one in page), flush=True)

asyncio.run(main())
"""


def test_experiments_from_inside_a_task(hai: Person, shared_live: Live) -> None:
    profile = shared_live.profile()
    hai.submit("parent.py", IN_TASK, "-e", f"HAI_CONF={profile}")
    assert hai("wait", "parent.py").code == 0, hai("logs", "parent.py").out
    assert "same True listed True" in hai("logs", "parent.py").out
    assert hai("wait", "child").code == 0


def test_users_and_quotas(hai: Person, tmp_path: Path) -> None:
    made = hai("users", "add", "dora", "--uid", "12345")
    assert made.code == 0, made.err
    token = made.out.strip()
    conf = tmp_path / "conf.yaml"
    joined = hai(
        "init", "--url", hai.live.url, "--token-stdin", stdin=token.encode(), HAI_CONF=str(conf)
    )
    assert joined.code == 0, joined.err
    assert conf.stat().st_mode & 0o777 == 0o600
    assert token not in joined.err + joined.out
    me = json.loads(hai("whoami", "-o", "json", HAI_CONF=str(conf)).out)
    assert me["user"]["name"] == "dora"
    assert hai("quota", "set", "dora", "node-hollow-HIGH=3").code == 0
    rows = json.loads(hai("whoami", "-o", "json", HAI_CONF=str(conf)).out)["quotas"]
    assert {row["resource"]: row["nodes"] for row in rows}["node-hollow-HIGH"] == 3
    assert "dora" in hai("users", "list").out
