"""Who waits at the front of a level, and whom that keeps from standing there."""

import pytest

from hai.core.queue.heads import KeptOut
from hai.core.types import Keeper, TaskId, UserName
from tests.unit.core.clusters import waiting

ADA, BOB = UserName("ada"), UserName("bob")


@pytest.mark.parametrize(("nodes", "stands"), [(2, True), (3, True), (4, False)])
def test_a_gang_stands_where_higher_levels_leave_room_for_it(nodes: int, stands: bool) -> None:
    assert KeptOut(widest=3).lets_stand(waiting(1, nodes)) is stands


def test_who_does_not_start_is_no_backfill_either() -> None:
    kept_out = KeptOut(widest=9)
    kept_out.settle(waiting(1))
    assert kept_out.passed == kept_out.settled == {1}
    assert not kept_out.lets_stand(waiting(1))
    assert kept_out.lets_stand(waiting(2))


def test_what_higher_levels_keep_out_keeps_out_gangs_as_wide() -> None:
    kept_out = KeptOut(widest=9)
    kept_out.add(waiting(1, 4), Keeper.HIGHER)
    kept_out.add(waiting(2, 6), Keeper.HIGHER)
    assert kept_out.widest == 3
    assert kept_out.firsts == {}
    assert kept_out.settled == {1, 2}


def test_what_its_users_own_keep_out_holds_up_its_user_alone() -> None:
    """The first of each user counts."""
    kept_out = KeptOut(widest=9)
    first, later, other = waiting(1, 4), waiting(2, 2), waiting(3, user="bob")
    for claim in (first, later, other):
        kept_out.add(claim, Keeper.OWN)
    assert kept_out.firsts == {ADA: first, BOB: other}
    assert kept_out.widest == 9
    assert kept_out.settled == {1, 2, 3}


def test_what_is_tried_on_a_copy_changes_nothing_else() -> None:
    kept_out = KeptOut(widest=9)
    kept_out.add(waiting(1), Keeper.OWN)
    copied = kept_out.copy()
    assert copied == kept_out
    copied.add(waiting(2, user="bob"), Keeper.OWN)
    copied.add(waiting(3), Keeper.HIGHER)
    assert kept_out == KeptOut(9, {TaskId(1)}, {TaskId(1)}, {ADA: waiting(1)})
