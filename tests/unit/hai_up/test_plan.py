"""The plan of a local run: a pure function of options and facts."""

from dataclasses import replace
from pathlib import Path

import pytest

from hai.core.quota import parse_resource
from hai_up.config import Options
from hai_up.plan import (
    Facts,
    Sections,
    differences,
    is_loopback,
    plan_local,
    url_of,
    with_kept_keys,
)

OPTIONS = Options(Path("/data"), "127.0.0.1", 7420, 4, 8, 0, user="ada", group="training")
FACTS = Facts(cpus=2, memory_bytes=8 * 2**30)


def test_nodes_share_the_machine() -> None:
    nodes = plan_local(OPTIONS, FACTS, "postgresql:///x").bootstrap["nodes"]
    assert [node["name"] for node in nodes] == ["node-01", "node-02", "node-03", "node-04"]
    assert {node["launcher"] for node in nodes} == {"local"}
    assert sum(node["cpus"] for node in nodes) == 2
    assert sum(node["memory_bytes"] for node in nodes) == 8 * 2**30
    assert nodes[0]["gpus"] == 8


def test_leaves_hold_sixteen_nodes() -> None:
    nodes = plan_local(replace(OPTIONS, nodes=17), FACTS, "").bootstrap["nodes"]
    assert [node["leaf"] for node in nodes[15:]] == ["leaf-1", "leaf-2"]


def test_hollow_nodes_are_a_group_of_their_own() -> None:
    order = plan_local(replace(OPTIONS, hollow_nodes=500), FACTS, "").bootstrap
    hollow = [node for node in order["nodes"] if node["launcher"] == "hollow"]
    assert (len(hollow), hollow[-1]["name"], hollow[-1]["group"]) == (500, "hollow-0500", "hollow")
    assert [group["name"] for group in order["groups"]] == ["training", "hollow"]
    assert {q["nodes"] for q in order["quotas"] if "-hollow-" in q["resource"]} == {500}


def test_everybody_gets_up_to_high_and_the_first_user_everything() -> None:
    order = plan_local(OPTIONS, FACTS, "").bootstrap
    assert order["user"] == {"name": "ada", "role": "admin", "uid": None}
    levels: dict[str, list[str]] = {}
    for quota in order["quotas"]:
        group, level = parse_resource(quota["resource"])
        assert (group, quota["nodes"]) == ("training", 4)
        levels.setdefault(quota["user"], []).append(level.name)
    assert levels["*"][-1] == "HIGH"
    assert levels["ada"] == [*levels["*"], "VERY_HIGH", "EXTREME_HIGH"]


def test_a_prepared_database_keeps_its_token_and_quotas() -> None:
    order = plan_local(OPTIONS, replace(FACTS, has_token=True, has_quotas=True), "").bootstrap
    assert (order["new_token"], order["quotas"]) == (False, [])
    assert plan_local(OPTIONS, FACTS, "").bootstrap["new_token"] is True


def test_settings_are_what_the_server_reads() -> None:
    plan = plan_local(replace(OPTIONS, host="0.0.0.0", port=80), FACTS, "postgresql:///x")  # noqa: S104
    assert plan.settings["server"] == {
        "host": "0.0.0.0",  # noqa: S104
        "port": 80,
        "data_dir": "/data",
        "url": "http://127.0.0.1:80",
        "secret_file": "/data/secret",
    }
    assert plan.settings["store"] == {"url": "postgresql:///x"}


def test_steps_never_show_a_password() -> None:
    plan = plan_local(replace(OPTIONS, database_url="postgresql://u:pw@h/db"), FACTS, "")
    assert "pw" not in " ".join(plan.steps)
    assert any("postgresql://h/db" in step for step in plan.steps)


@pytest.mark.parametrize(
    ("host", "url", "loopback"),
    [
        ("127.0.0.1", "http://127.0.0.1:1", True),
        ("localhost", "http://localhost:1", True),
        ("0.0.0.0", "http://127.0.0.1:1", False),  # noqa: S104
        ("::", "http://[::1]:1", False),
        ("::1", "http://[::1]:1", True),
        ("10.0.0.7", "http://10.0.0.7:1", False),
    ],
)
def test_where_this_machine_reaches_the_server(host: str, url: str, loopback: bool) -> None:
    assert url_of(host, 1) == url
    assert is_loopback(host) is loopback


def test_keys_of_an_admin_are_kept_and_ours_win() -> None:
    ours: Sections = {"server": {"port": 7420}, "store": {"url": "new"}}
    old = {"server": {"port": 1, "url": "x"}, "suspend": {"grace_seconds": 90}, "odd": 3}
    assert with_kept_keys(ours, old) == {
        "server": {"port": 7420, "url": "x"},
        "suspend": {"grace_seconds": 90},
        "store": {"url": "new"},
    }


def test_differences_are_told_by_option() -> None:
    running = {**{name: getattr(OPTIONS, name) for name in Options.__dataclass_fields__}}
    assert differences(OPTIONS, running) == []
    assert differences(replace(OPTIONS, port=0), running) == []
    assert differences(replace(OPTIONS, nodes=8), running) == ["--nodes is 4, not 8"]
    other = replace(OPTIONS, database_url="postgresql://u:pw@h/db")
    assert differences(other, running) == ["it uses another database"]
