"""The launchers' contract, over containers of a real engine."""

from collections.abc import AsyncIterator

import pytest

from tests.contract.test_launcher import (
    test_forgotten_worker_is_not_observed,
    test_killed_before_its_launch_never_starts,
    test_killed_while_it_comes_up,
    test_killed_worker_is_not_alive_and_stays_dead,
    test_launch_of_an_ended_worker_does_nothing,
    test_launched_worker_is_alive_at_once_and_then_exits,
    test_opening_twice_and_closing_are_harmless,
    test_second_launch_of_a_live_worker_does_nothing,
    test_two_servers_race_to_launch,
    test_unknown_keys_are_harmless,
    test_workers_of_a_gang_are_apart,
    test_workers_outlive_the_server,
)
from tests.docker.containers import Containers
from tests.docker.engine import PrivateEngine

__all__ = [
    "test_forgotten_worker_is_not_observed",
    "test_killed_before_its_launch_never_starts",
    "test_killed_while_it_comes_up",
    "test_killed_worker_is_not_alive_and_stays_dead",
    "test_launch_of_an_ended_worker_does_nothing",
    "test_launched_worker_is_alive_at_once_and_then_exits",
    "test_opening_twice_and_closing_are_harmless",
    "test_second_launch_of_a_live_worker_does_nothing",
    "test_two_servers_race_to_launch",
    "test_unknown_keys_are_harmless",
    "test_workers_of_a_gang_are_apart",
    "test_workers_outlive_the_server",
]


@pytest.fixture
async def harness(engine: PrivateEngine) -> AsyncIterator[Containers]:
    async with Containers(engine) as containers:
        yield containers
