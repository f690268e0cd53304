import pytest

from hai.core.quota import EVERYONE, LEVELS, Quota, QuotaTable, UserQuotas, parse_resource
from hai.core.types import GroupName, Priority, UserName

ADA, BOB = UserName("ada"), UserName("bob")
GROUP = GroupName("training")
LOW, NORMAL, HIGH, AUTO = Priority.LOW, Priority.NORMAL, Priority.HIGH, Priority.AUTO


def table(**limits: int) -> QuotaTable:
    return QuotaTable.of(Quota(ADA, GROUP, Priority[name], n) for name, n in limits.items())


def test_levels_are_real_and_highest_first() -> None:
    assert LEVELS[0] is Priority.EXTREME_HIGH
    assert LEVELS[-1] is LOW
    assert AUTO not in LEVELS


def test_own_row_wins_over_everybodys() -> None:
    quotas = QuotaTable.of([Quota(EVERYONE, GROUP, NORMAL, 4), Quota(ADA, GROUP, NORMAL, 0)])
    assert quotas.limit(ADA, GROUP, NORMAL) == 0
    assert quotas.limit(BOB, GROUP, NORMAL) == 4
    assert quotas.limit(BOB, GROUP, HIGH) == 0
    assert (quotas.highest(ADA, GROUP), quotas.highest(BOB, GROUP)) == (0, 4)


def test_resource_names_go_round() -> None:
    quota = Quota(ADA, GroupName("jupyter-cpu"), Priority.ABOVE_NORMAL, 3)
    assert quota.resource == "node-jupyter-cpu-ABOVE_NORMAL"
    assert parse_resource(quota.resource) == (quota.group, quota.priority)


@pytest.mark.parametrize(
    "text", ["", "node-a", "node--HIGH", "gpu-a-HIGH", "node-a-AUTO", "node-a-B"]
)
def test_bad_resource_names(text: str) -> None:
    with pytest.raises(ValueError, match="is not of the form"):
        parse_resource(text)


@pytest.mark.parametrize(
    ("asked", "nodes", "level"),
    [
        pytest.param(AUTO, 2, HIGH, id="auto: highest with room"),
        pytest.param(AUTO, 3, NORMAL, id="auto: wider than the highest"),
        pytest.param(AUTO, 9, None, id="auto: no room at all"),
        pytest.param(NORMAL, 4, NORMAL, id="named"),
        pytest.param(HIGH, 3, None, id="named: no other level will do"),
    ],
)
def test_level_for(asked: Priority, nodes: int, level: Priority | None) -> None:
    quota = UserQuotas(table(HIGH=2, NORMAL=4), GROUP).user_quota(ADA)
    assert quota.level_for(asked, nodes) is level


def test_used_room_is_back_only_later() -> None:
    quotas = UserQuotas(table(HIGH=2, NORMAL=4), GROUP)
    quota = quotas.user_quota(ADA)
    quota.used[HIGH] = quota.leaving[HIGH] = 1
    assert quotas.user_quota(ADA) is quota
    assert quotas.user_quota(BOB).room(HIGH) == 0
    assert quota.room(HIGH) == 1
    assert quota.level_for(AUTO, 2) is NORMAL
    assert quota.level_later(AUTO, 2) is HIGH
    assert quota.level_later(LOW, 1) is None


@pytest.mark.parametrize(
    ("asked", "nodes", "level"),
    [
        pytest.param(LOW, 1, LOW, id="the named one"),
        pytest.param(AUTO, 3, NORMAL, id="highest that could ever hold it"),
        pytest.param(AUTO, 9, NORMAL, id="else the widest"),
    ],
)
def test_level_to_blame(asked: Priority, nodes: int, level: Priority) -> None:
    quota = UserQuotas(table(HIGH=2, NORMAL=4, LOW=4), GROUP).user_quota(ADA)
    assert quota.level_to_blame(asked, nodes) is level
