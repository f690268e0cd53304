"""Rows from an init.sql on a platform that runs, its settings in the original's form, and the
commands that list and change rows."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from hai.store.database import connection_settings
from tests.acceptance.conftest import MakeLive
from tests.acceptance.person import Person
from tests.live import BOB_UID, Live

pytestmark = pytest.mark.acceptance

UID = BOB_UID if os.getuid() == 0 else "NULL"
SECRET = "wxyz-0123456789abcdef"  # noqa: S105 - of a user who exists in this test only
SQL = f"""\
-- what an admin of the original has
INSERT INTO "user" ("user_id", "user_name", "token", "role", "active", "shared_group")
VALUES ({UID}, 'maria', '{SECRET}', 'internal', true, 'vision') ON CONFLICT DO NOTHING;
INSERT INTO quota (user_name, resource, quota) VALUES
    ('vision', 'node-training-VERY_HIGH', 2), ('public', 'train_environment:hai_base', 1),
    ('vision', 'cap:IPC_LOCK', 1);
INSERT INTO train_environment (env_name, image, config) VALUES
    ('hai_base', 'r.example/hai:1', '{{"environments": {{"A": "1"}}, "python": "python3"}}');
INSERT INTO storage (host_path, mount_path, owners, conditions, mount_type, read_only) VALUES
    ('/nfs/{{user.user_name}}', '/home/{{user.user_name}}', ARRAY['vision'], '{{}}',
     'Directory', 'f');
"""  # noqa: S608 - read as data


def imported(live: Live, text: str, *options: str) -> subprocess.CompletedProcess[str]:
    file = live.directory / "init.sql"
    file.write_text(text)
    return subprocess.run(
        live.command("import", str(file), *options),
        text=True,
        capture_output=True,
        env=live.environment(),
        check=False,
    )


def test_imported_rows_count_on_a_platform_that_runs(live: Live) -> None:
    planned = imported(live, SQL, "--dry-run")
    assert planned.returncode == 0, planned.stderr
    with live.client() as admin:
        assert admin.get("/images", params={"all": "true"}).json() == {"images": []}
    done = imported(live, SQL)
    assert done.returncode == 0, done.stderr
    assert done.stdout == planned.stdout
    assert "add quota vision node-training-VERY_HIGH = 2\n" in done.stdout
    assert SECRET not in done.stdout + done.stderr + live.log()
    again = imported(live, SQL)
    assert (again.returncode, again.stdout) == (0, "")
    assert "changed 0 rows" in again.stderr

    live.tokens["maria"] = SECRET
    maria = Person(live, "maria")
    assert json.loads(maria("images", "list", "-j").out)[0]["name"] == "hai_base"
    assert "/home/{user.user_name}" in maria("mounts", "list").out
    assert "cap:IPC_LOCK" in maria("quota", "allowances").out
    live.script("hello.sh", "echo hello\n")
    task = live.submit("maria", name="hello.sh", nodes=2, priority="VERY_HIGH")
    ended = live.wait(task, "succeeded")  # the planner knows her team's quota, too
    assert ended["user"] == "maria"


def test_a_wrong_file_is_refused_with_its_place_and_changes_nothing(live: Live) -> None:
    wrong = imported(live, SQL + "\nINSERT INTO storrage (host_path) VALUES ('/x');")
    assert wrong.returncode == 2
    assert "init.sql:13:13: there is no table 'storrage'" in wrong.stderr
    assert "did you mean storage?" in wrong.stderr
    with live.client() as admin:
        assert [user["name"] for user in admin.get("/users").json()["users"]] == ["root"]
    missing = subprocess.run(
        live.command("import", str(live.directory / "none.sql")),
        text=True,
        capture_output=True,
        env=live.environment(),
        check=False,
    )
    assert missing.returncode == 2
    assert "No such file" in missing.stderr


def test_rows_are_listed_and_changed_by_commands(live: Live) -> None:
    hai = Person(live)
    added = hai("images", "add", "torch", "r.example/torch:2", "-e", "A=b=c", "--rank", "3", "-j")
    assert added.code == 0, added.err
    assert json.loads(added.out)["variables"] == {"A": "b=c"}
    assert hai("images", "add", "base", "r.example/base:1").code == 0
    assert hai("images", "list", "-o", "name").out.split() == ["torch", "base"]
    assert hai("images", "add", "x", "r/x", "-e", "A").code == 2
    assert hai("images", "add", "x", "r/x", "--dry-run").code == 0
    assert hai("images", "remove", "base").code == 0
    assert hai("images", "remove", "base").code == 3
    assert hai("images", "list", "-o", "name").out.split() == ["torch"]

    words = ("mounts", "add", "nccl:nccl.conf", "/etc/nccl.conf", "--type", "configmap")
    added = hai(*words, "--if", "{task.nodes} > 1", "--name", "nccl", "--read-only", "-j")
    assert added.code == 0, added.err
    row = json.loads(added.out)
    assert (row["source"], row["sub_path"], row["type"]) == ("nccl", "nccl.conf", "configmap")
    refused = hai("mounts", "add", "/a", "/b", "--if", "import os")
    assert refused.code == 2
    assert "condition 'import os'" in refused.err
    assert hai("mounts", "remove", "nccl").code == 0
    assert hai("mounts", "list", "-a", "-o", "name").out == ""

    done = hai("quota", "set", "*", "cap:IPC_LOCK=1", "node-training-HIGH=3", "-o", "name")
    assert done.code == 0, done.err
    assert done.out.split() == ["node-training-HIGH", "cap:IPC_LOCK"]
    assert hai("quota", "allowances", "-o", "name").out.split() == [
        "cap:IPC_LOCK",
        "train_environment:torch",
    ]
    assert hai("quota", "set", "*", "cap:ipc=1").code == 2


def test_settings_in_the_originals_form_run_a_platform(make_live: MakeLive) -> None:
    """[database.postgres] and a folder of logs for each user, for agents and readers alike."""
    live = make_live()
    live.stop()
    database = connection_settings(live.database_url)
    logs = live.work_dir / "logs"
    live.config.write_text(
        f'[server]\nport = {live.port}\ndata_dir = "{live.data_dir}"\n'
        f'[database.postgres.primary]\nhost = "{database["host"]}"\nuser = "{database["user"]}"\n'
        f'db = "{database["dbname"]}"\nport = {database.get("port", 5432)}\n'
        f'[[experiment.log.dist]]\nrole = "internal"\ndir = "{logs}/{{user_name}}"\n'
        "[manager]\nnot_stop_node_for_test = 0\n"
    )
    live.start()
    assert "[manager] has no effect here" in live.log()
    live.add_user("bob")
    live.script("hello.sh", "echo hello from $HAI_LOG_DIR\n")
    for user in ("root", "bob"):
        task = live.submit(user, name="hello.sh")
        live.wait(task, "succeeded")
        folder = logs / user / str(task) / "1"
        assert live.text(task) == f"hello from {folder}"
        assert [path.name for path in Path(folder).iterdir()] == ["0.00000000000000000000.log"]
