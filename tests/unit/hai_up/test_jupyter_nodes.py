"""JUPYTER_NODES on one machine: some of its shares are for dev containers."""

from pathlib import Path

import pytest

from hai.errors import InvalidInput
from hai_up.compose.options import compose_options
from hai_up.config import defaults, given_in_file, resolve
from hai_up.plan import Facts, plan_local
from tests.unit.hai_up.compose_plans import VALUES


def test_the_last_nodes_stand_in_a_group_of_their_own(tmp_path: Path) -> None:
    given = given_in_file({"NODES": "4", "JUPYTER_NODES": "1", "JUPYTER_GROUP": "lab"})
    options = resolve(given, defaults(tmp_path, "ada"))
    plan = plan_local(options, Facts(cpus=8, memory_bytes=2**33), "postgresql://h/d")
    assert [node["group"] for node in plan.bootstrap["nodes"]] == ["training"] * 3 + ["lab"]
    assert plan.settings["jupyter"] == {"shared_node_group_prefix": "lab"}
    assert {row["resource"].split("-")[1] for row in plan.bootstrap["quotas"]} == {"training"}


@pytest.mark.parametrize(
    "values",
    [{"NODES": "2", "JUPYTER_NODES": "2"}, {"JUPYTER_NODES": "1", "JUPYTER_GROUP": "train"}],
)
def test_what_makes_no_sense(values: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="JUPYTER_"):
        resolve(given_in_file(values), defaults(tmp_path, "ada"))


def test_with_docker() -> None:
    options = compose_options({**VALUES, "NODES": "3", "JUPYTER_NODES": "1"})
    assert (options.jupyter_nodes, options.sizes) == (1, {options.training_group: 2})
