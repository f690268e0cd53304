"""Each thing that makes a start impossible is said before anything is changed."""

import dataclasses
import os
import socket
from pathlib import Path

import pytest

from hai.errors import InvalidInput, PlatformError
from hai_up.account import account_for
from hai_up.checks import (
    FAIL,
    OK,
    WARN,
    check_database,
    check_disk,
    check_folder,
    check_logs,
    check_port,
    check_python,
    check_settings,
    chosen,
    logs_of,
    memory_bytes,
    preflight,
    require_settings,
    users_of,
)
from hai_up.config import Options
from hai_up.status import facts_of_platform, rendered_parts


def options(data_dir: Path, *, host: str = "127.0.0.1", port: int = 0) -> Options:
    return Options(data_dir, host, port, 4, 8, 0, user="ada", group="training")


def test_a_new_folder_is_fine(tmp_path: Path) -> None:
    assert check_folder(options(tmp_path / "a" / "b")).status == OK
    assert check_folder(options(tmp_path)).status == OK
    assert check_disk(options(tmp_path / "a")).status != FAIL


@pytest.mark.parametrize("mark", ["hai-up.lock", "hai-up.json"])
def test_a_folder_that_another_run_begins_to_fill_is_ours(tmp_path: Path, mark: str) -> None:
    (tmp_path / mark).touch()
    (tmp_path / "override.toml").touch()
    assert check_folder(options(tmp_path)).status == OK


def test_folders_that_will_not_do(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    used = tmp_path
    for folder, word in (
        (file, "not a folder"),
        (file / "below", "not a folder"),
        (used, "other files"),
        (tmp_path / (("x" * 200 + "/") * 5), "bytes"),
    ):
        check = check_folder(options(folder))
        assert check.status == FAIL, folder
        assert word in check.text
        assert "--data-dir" in check.fix


@pytest.mark.skipif(os.getuid() == 0, reason="root may write everywhere")
def test_a_folder_of_somebody_else() -> None:
    assert "not writable" in check_folder(options(Path("/proc/hai"))).text


def test_a_taken_port_is_told_with_its_holder(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        check = check_port(options(tmp_path, port=port))
        assert check.status == FAIL
        assert f"port {port}" in check.text
        assert f"pid {os.getpid()}" in check.text
        with pytest.raises(PlatformError, match="taken") as caught:
            preflight(options(tmp_path, port=port), with_port=True)
        assert "--port" in caught.value.hint
    assert check_port(options(tmp_path, port=port)).status == OK


@pytest.mark.parametrize("host", ["203.0.113.9", "no such host"])
def test_an_address_that_is_not_here(tmp_path: Path, host: str) -> None:
    check = check_port(options(tmp_path, host=host, port=7420))
    assert check.status == FAIL
    assert "cannot listen" in check.text


def test_this_python_will_do(tmp_path: Path) -> None:
    assert check_python(options(tmp_path)).status == OK


def test_memory() -> None:
    assert 0 < memory_bytes("MemAvailable") <= memory_bytes("MemTotal")
    assert memory_bytes("NoSuchField") == 0


def test_a_folder_whose_name_is_no_text(tmp_path: Path) -> None:
    check = check_folder(options(tmp_path / "\udcff"))
    assert check.status == FAIL
    assert "LC_ALL" in check.fix


@pytest.mark.skipif(os.getuid() != 0, reason="needs root to make somebody else's folder")
def test_what_others_could_change_is_refused_or_named(tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    os.chown(theirs, 65534, 65534)
    assert "another user" in check_folder(options(theirs)).text
    below = check_folder(options(theirs / "data"))
    assert (below.status, str(theirs) in below.text) == (WARN, True)
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    assert check_folder(options(tmp_path / "open" / "data")).status == WARN
    (tmp_path / "open").chmod(0o1777)
    assert check_folder(options(tmp_path / "open" / "data")).status == OK


@pytest.mark.skipif(os.getuid() != 0, reason="only root's PostgreSQL runs as somebody else")
def test_tasks_must_not_run_as_the_databases_account(tmp_path: Path) -> None:
    account = account_for(tmp_path / "data").name
    check = check_database(dataclasses.replace(options(tmp_path), user=account))
    assert check.status == FAIL
    if "not found" not in check.text:
        assert account in check.text


def test_room_for_logs_as_a_platform_tells_it() -> None:
    good = logs_of({"log_disk": {"free": 9 * 10**9, "need": 5 * 10**8, "why": ""}})
    assert (good.status, good.text[:6]) == (OK, "9.0 GB")
    full = logs_of({"log_disk": {"free": 1, "need": 2, "why": "task logs have stopped"}})
    assert (full.status, full.text) == (WARN, "task logs have stopped")
    assert "user_bytes" in full.fix


def test_status_of_a_deployment_says_what_its_server_tells() -> None:
    """Room for logs, and why nothing starts, in the words of a platform on one machine."""
    disk = {"free": 1, "need": 2, "why": "task logs have stopped"}
    told = {"paused_seconds": 20.0, "clock_jump": None, "log_disk": disk}
    facts = {"schema_version": 1, "status": "running", "parts": {"hai-api": "ready"}}
    text = rendered_parts(facts | facts_of_platform(told), "table")
    lines = {line.split()[0]: line.split(maxsplit=1)[1] for line in text.splitlines()}
    assert lines["logs"] == "task logs have stopped"
    assert lines["paused"].startswith("starts nothing for 20 s")
    assert "schema_version" not in lines
    well = facts_of_platform({**told, "paused_seconds": 0.0, "log_disk": {**disk, "why": ""}})
    assert well == {}


def test_logs_of_no_platform(tmp_path: Path) -> None:
    assert check_logs(options(tmp_path)).status == OK


def test_users_whom_a_server_that_is_root_refuses() -> None:
    ada, old = {"name": "ada", "uid": 1000, "active": True}, {"name": "old", "active": False}
    well = users_of([ada, old])
    assert (well.status, well.fix) == (OK, "")
    lost = [{"name": f"u{n}", "uid": None, "active": True} for n in range(7)]
    check = users_of([ada, *lost])
    assert check.status == WARN
    assert "u0, u1, u2, u3, u4 and 2 more" in check.text
    assert check.fix == "hai-cli users set u0 --uid UID"


def test_checks_are_chosen_by_id_group_or_name() -> None:
    known = ("nodes.image", "nodes.clock", "storage.share")
    assert chosen((), known) == list(known)
    assert chosen(("share", "nodes"), known) == list(known)
    assert chosen(("nodes.clock",), known) == ["nodes.clock"]
    with pytest.raises(InvalidInput, match="no check 'shore'") as caught:
        chosen(("shore",), known)
    assert "storage.share" in caught.value.hint


def test_settings_that_no_server_can_start_with(tmp_path: Path) -> None:
    here = options(tmp_path)
    assert check_settings(here).status == OK, "there are none yet"
    config = tmp_path / "override.toml"
    config.write_text("[suspend]\nterm_seconds = 9\n")
    assert check_settings(here).status == OK
    require_settings(here)
    for text, word in (
        ('[suspend]\nterm_seconds = "x"\n', "suspend.term_seconds"),
        ("[scheduler]\nslize_seconds = 3\n", "did you mean slice_seconds"),
        ("[server\n", "override.toml"),
    ):
        config.write_text(text)
        with pytest.raises(PlatformError, match=word) as refused:
            require_settings(here)
        assert refused.value.hint
