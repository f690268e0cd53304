"""What the program finds in its environment."""

import os
from pathlib import Path
from typing import Any

import pytest

from hai.agent.environment import ProgramAccount, program_environment
from hai.agent.program import CannotStart, command_of
from hai.agent.spec import WorkerSpec

ORDER = {"master_addr": "10.0.0.1", "master_port": 2223}


def spec_of(folder: Path, run: dict[str, Any], options: dict[str, Any] | None = None) -> WorkerSpec:
    document = {"spec": {"entrypoint": "train.py", **run}, "options": options or {}}
    data = {
        "key": "12.3.1",
        "node": {"name": "n1"},
        "nodes": ["n0", "n1"],
        "user": "ada",
        "uid": None,
        "task_name": "digits",
        "chain_id": "c",
        "group": "training",
        "priority": "HIGH",
        "world_size": 2,
        "whole_life_state": 5,
        "log_dir": "/logs/12/3",
        "server_url": "http://127.0.0.1:1",
        "token": "very-secret",
        "python": "/opt/python/bin/python3",
        "gpu_indices": [4, 5],
        "segment_bytes": 4096,
        "segments": 2,
        "watchdog_seconds": 1800,
        "spec": document,
    }
    return WorkerSpec(data, str(folder))


def environment_of(spec: WorkerSpec) -> dict[str, str]:
    return program_environment(
        spec, ORDER, ProgramAccount(None, spec.workspace), "/x/agent.pyz/sdk"
    )


def test_user_wins_except_over_the_names_of_the_platform(tmp_path: Path) -> None:
    wanted = {
        "RANK": "9",
        "HAI_RANK": "9",
        "MASTER_PORT": "9",
        "WORLD_SIZE": "9",
        "CUDA_VISIBLE_DEVICES": "7",
        "PYTHONPATH": "/mine",
        "MARSV2_VENV_PATH": "mine",
        "PATH": "/bin",
        "MY": "a b",
    }
    values = environment_of(spec_of(tmp_path, {"environments": wanted, "workspace": "/data"}))
    assert {name: values[name] for name in ("RANK", "HAI_RANK", "MASTER_PORT", "WORLD_SIZE")} == {
        "RANK": "1",
        "HAI_RANK": "1",
        "MASTER_PORT": "2223",
        "WORLD_SIZE": "2",
    }
    assert values["CUDA_VISIBLE_DEVICES"] == "7"
    assert values["PYTHONPATH"] == "/mine:/x/agent.pyz/sdk"
    assert values["MARSV2_VENV_PATH"] == "mine"
    assert values["PATH"] == "/bin"
    assert values["MY"] == "a b"


def test_names_of_the_gang_and_no_secret(tmp_path: Path) -> None:
    values = environment_of(spec_of(tmp_path, {"workspace": "/data"}))
    assert values["HAI_NODES"] == "n0,n1"
    assert values["MASTER_ADDR"] == values["MASTER_IP"] == "10.0.0.1"
    assert values["CUDA_VISIBLE_DEVICES"] == "4,5"
    assert values["HAI_WHOLE_LIFE_STATE"] == values["MARSV2_WHOLE_LIFE_STATE"] == "5"
    assert values["HAI_SUSPEND_FILE"] == str(tmp_path / "control" / "suspend")
    assert values["PYTHONPATH"] == "/data:/x/agent.pyz/sdk"
    assert values["PATH"].startswith("/opt/python/bin:")
    assert not any("very-secret" in value for value in values.values())


def test_home_falls_back_to_workspace_then_tmp(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root runs programs as other users")
    nobody_knows = 3_999_999
    assert ProgramAccount(nobody_knows, str(tmp_path)).home == str(tmp_path)
    account = ProgramAccount(nobody_knows, "/no/such/folder")
    assert (account.home, account.gid, account.groups) == ("/tmp", nobody_knows, [nobody_knows])


@pytest.mark.parametrize(
    ("run", "expected"),
    [
        pytest.param(
            {"parameters": "--name 'a b' x"},
            ["/opt/python/bin/python3", "-u", "train.py", "--name", "a b", "x"],
            id="python",
        ),
        pytest.param({"entrypoint": "run it.sh"}, ["bash", "run it.sh"], id="bash"),
        pytest.param(
            {"entrypoint": "tool", "entrypoint_executable": True, "parameters": "-v"},
            ["tool", "-v"],
            id="executable",
        ),
    ],
)
def test_command(tmp_path: Path, run: dict[str, Any], expected: list[str]) -> None:
    assert command_of(spec_of(tmp_path, run)) == expected


def test_command_under_a_venv(tmp_path: Path) -> None:
    venv = tmp_path / "my env"
    with pytest.raises(CannotStart, match="no such folder"):
        command_of(spec_of(tmp_path, {}, {"py_venv": str(venv)}))
    venv.mkdir()
    with pytest.raises(CannotStart, match="no bin/python"):
        command_of(spec_of(tmp_path, {}, {"py_venv": str(venv)}))
    (venv / "bin").mkdir()
    (venv / "bin" / "python").touch()
    spec = spec_of(tmp_path, {}, {"py_venv": str(venv)})
    assert command_of(spec)[0] == str(venv / "bin" / "python")
    values = environment_of(spec)
    assert values["VIRTUAL_ENV"] == values["MARSV2_VENV_PATH"] == str(venv)
    assert values["PATH"].startswith(f"{venv}/bin:")


def test_unbalanced_quotes_can_not_start(tmp_path: Path) -> None:
    with pytest.raises(CannotStart) as caught:
        command_of(spec_of(tmp_path, {"parameters": "'open"}))
    assert caught.value.detail == "cannot start: parameters: No closing quotation"


def test_watchdog_option_beats_the_default(tmp_path: Path) -> None:
    assert spec_of(tmp_path, {}).watchdog_seconds == 1800
    assert spec_of(tmp_path, {}, {"watchdog_time": 7}).watchdog_seconds == 7


def test_the_environment_of_a_task_has_its_own_name_and_place(tmp_path: Path) -> None:
    recorded = {"name": "vision", "owner": "ann", "identity": "a" * 12, "follow": True}
    spec = spec_of(tmp_path, {}, {"py_venv": "/envs/ann/vision", "environment": recorded})
    spec.py_venv = "/node/1/copy"
    values = environment_of(spec)
    assert values["VIRTUAL_ENV"] == "/node/1/copy"
    assert values["PATH"].startswith("/node/1/copy/bin:")
    names = ("HF_ENV_NAME", "HF_ENV_OWNER", "HF_ENV_PATH")
    assert [values[name] for name in names] == ["vision", "ann", "/envs/ann/vision"]
