"""The reflector against a real API server, with its connection cut, frozen and refused."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from hai.errors import NotFound
from hai.kubernetes.client import KubernetesClient
from hai.kubernetes.paths import core
from hai.kubernetes.reflector import ObjectChange, Pace, Reflector
from tests.kubernetes.proxy import proxied
from tests.kubernetes.testbed import Cluster
from tests.waiting import async_wait_until

QUICK = Pace(page_items=3, first_backoff_seconds=0.05, most_backoff_seconds=0.5)
SELECTOR = "app=hai"


class Story:
    """What a reflector told, checked against what it says at the end: every change fits on the one
    before, so that none was left out or told twice."""

    def __init__(self) -> None:
        self.changes: list[ObjectChange] = []
        self.state: dict[tuple[str, str], str] = {}

    def hear(self, change: ObjectChange) -> None:
        self.changes.append(change)
        known = self.state.get(change.key)
        if change.kind == "added":
            assert known is None, change
        else:
            assert known is not None, change
        if change.after is None:
            del self.state[change.key]
            return
        version = change.after["metadata"]["resourceVersion"]
        assert version != known, "told twice"
        self.state[change.key] = version

    def kinds(self) -> list[tuple[str, str]]:
        return [(change.kind, change.key[1]) for change in self.changes]

    def agrees_with(self, reflector: Reflector) -> bool:
        assert reflector.counters.callback_failures == 0
        return self.state == {
            key: item["metadata"]["resourceVersion"] for key, item in reflector.items.items()
        }


@asynccontextmanager
async def reflecting(
    client: KubernetesClient, namespace: str, story: Story, pace: Pace = QUICK
) -> AsyncIterator[Reflector]:
    path = core("configmaps", namespace)
    reflector = Reflector(client, path, label_selector=SELECTOR, on_change=story.hear, pace=pace)
    await reflector.start()
    try:
        await asyncio.wait_for(reflector.wait_synced(), 90)
        yield reflector
    finally:
        await reflector.close()


async def put(client: KubernetesClient, namespace: str, name: str, value: object) -> None:
    body = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "labels": {"app": "hai"}},
        "data": {"value": str(value)},
    }
    await client.apply(core("configmaps", namespace, name), body, manager="test")


async def drop(client: KubernetesClient, namespace: str, name: str) -> None:
    await client.delete(core("configmaps", namespace, name))


async def until_more(reflector: Reflector, counter: str) -> None:
    before = getattr(reflector.counters, counter)
    await async_wait_until(lambda: getattr(reflector.counters, counter) > before, 30, what=counter)


async def until_equal(
    client: KubernetesClient, namespace: str, reflector: Reflector, seconds: float = 30
) -> None:
    """Until the copy is what the server has."""
    listed = await client.list(core("configmaps", namespace), labelSelector=SELECTOR)
    there = {item["metadata"]["name"]: item["data"] for item in listed["items"]}

    def is_equal() -> bool:
        return {name: item["data"] for (_, name), item in reflector.items.items()} == there

    await async_wait_until(is_equal, seconds, what=f"the copy of {there}")


async def test_it_lists_page_by_page_and_tells_each_change_once(
    client: KubernetesClient, namespace: str
) -> None:
    story = Story()
    for name in "abcdefg":
        await put(client, namespace, name, 1)
    async with reflecting(client, namespace, story) as reflector:
        assert sorted(story.kinds()) == [("added", name) for name in "abcdefg"]
        assert "managedFields" not in reflector.items[namespace, "a"]["metadata"]
        del story.changes[:]
        await put(client, namespace, "a", 2)
        await put(client, namespace, "a", 2)  # changes nothing
        await drop(client, namespace, "b")
        await put(client, namespace, "b", 3)
        await until_equal(client, namespace, reflector)
        assert story.kinds() == [("modified", "a"), ("deleted", "b"), ("added", "b")]
        assert reflector.counters.lists == 1


async def test_an_object_that_leaves_the_selector_is_deleted(
    client: KubernetesClient, namespace: str
) -> None:
    story = Story()
    await put(client, namespace, "a", 1)
    async with reflecting(client, namespace, story) as reflector:
        label = {"metadata": {"labels": {"app": "other"}}}
        await client.patch(core("configmaps", namespace, "a"), label)
        await async_wait_until(lambda: not reflector.items)
        assert story.kinds() == [("added", "a"), ("deleted", "a")]


async def test_a_cut_connection_loses_and_repeats_nothing(
    cluster: Cluster, client: KubernetesClient, namespace: str, tmp_path: Path
) -> None:
    """While objects change all the time the connection is cut 20 times, mostly within an event."""
    story = Story()
    async with (
        proxied(cluster.kubeconfig, tmp_path) as (proxy, kubeconfig),
        await KubernetesClient.open(kubeconfig) as through,
        reflecting(through, namespace, story) as reflector,
    ):
        changing = asyncio.create_task(change_for_ever(client, namespace))
        for size in range(20):
            await until_more(reflector, "events")
            proxy.bytes_left = 1 + size * 211
            await until_more(reflector, "failures")
        changing.cancel()
        await asyncio.gather(changing, return_exceptions=True)
        await until_equal(client, namespace, reflector)
        assert story.agrees_with(reflector)
        assert reflector.counters.lists == 1, "nothing was expired: it goes on where it was"
        assert reflector.counters.failures >= 20
        assert reflector.counters.events > 20


async def change_for_ever(client: KubernetesClient, namespace: str) -> None:
    for number in itertools.count():
        name = "abcde"[number % 5]
        await put(client, namespace, name, number)
        if number % 7 == 6:
            await drop(client, namespace, name)


async def test_all_of_one_series_arrives_in_order_in_spite_of_cuts(
    cluster: Cluster, client: KubernetesClient, namespace: str, tmp_path: Path
) -> None:
    """A watch brings every state of an object, not just the last: 60 states of one, 6 cuts."""
    story = Story()
    async with (
        proxied(cluster.kubeconfig, tmp_path) as (proxy, kubeconfig),
        await KubernetesClient.open(kubeconfig) as through,
        reflecting(through, namespace, story) as reflector,
    ):
        for value in range(60):
            await put(client, namespace, "one", value)
            if value % 10 == 9:
                proxy.cut()
        await until_equal(client, namespace, reflector)
    values = [change.after["data"]["value"] for change in story.changes if change.after]
    assert values == [str(value) for value in range(60)]


async def test_after_410_it_lists_again_and_tells_the_difference(
    own: Cluster, client: KubernetesClient, namespace: str, tmp_path: Path
) -> None:
    """The server forgets all history while the connection is away: etcd is compacted, the API
    server's own memory of changes ends with kill -9."""
    story = Story()
    for name in "abcd":
        await put(client, namespace, name, 1)
    async with (
        proxied(own.kubeconfig, tmp_path) as (proxy, kubeconfig),
        await KubernetesClient.open(kubeconfig) as through,
        reflecting(through, namespace, story) as reflector,
    ):
        del story.changes[:]
        before = reflector.items[namespace, "d"]
        proxy.is_refusing = True
        proxy.cut()
        await put(client, namespace, "a", 2)
        await drop(client, namespace, "b")
        await drop(client, namespace, "c")
        await put(client, namespace, "c", 3)
        await put(client, namespace, "e", 1)
        await own.forget_history()
        own.restart("apiserver")
        await async_wait_until(lambda: is_up(client), 60)
        proxy.is_refusing = False
        await until_equal(client, namespace, reflector, 60)
        assert sorted(story.kinds()) == [
            ("added", "c"),
            ("added", "e"),
            ("deleted", "b"),
            ("deleted", "c"),
            ("modified", "a"),
        ]
        assert story.agrees_with(reflector)
        assert reflector.counters.expired == 1
        assert reflector.counters.lists == 2
        assert reflector.items[namespace, "d"] is before, "what did not change is not copied"


async def is_up(client: KubernetesClient) -> bool:
    try:
        await client.get(core("namespaces", "", "default"))
    except Exception:  # noqa: BLE001 (whatever keeps it from answering)
        return False
    return True


async def test_a_silent_server_is_noticed_and_an_idle_one_is_not(
    own: Cluster, namespace: str, tmp_path: Path
) -> None:
    pace = Pace(first_backoff_seconds=0.05, quiet_seconds=0.5, most_backoff_seconds=0.5)
    story = Story()
    async with (
        proxied(own.kubeconfig, tmp_path) as (proxy, kubeconfig),
        await KubernetesClient.open(kubeconfig, timeout_seconds=2) as client,
        reflecting(client, namespace, story, pace) as reflector,
    ):
        # Nothing changes, and yet it is heard of.
        await async_wait_until(lambda: client.requests["GET", "/version"] >= 3)
        await async_wait_until(lambda: reflector.seconds_since_heard < 0.5)
        proxy.freeze()
        await async_wait_until(lambda: reflector.seconds_since_heard > 5, 90)
        assert reflector.synced
        proxy.thaw()
        await async_wait_until(lambda: reflector.seconds_since_heard < 0.5, 90)
        assert story.agrees_with(reflector)


async def test_a_watch_without_a_word_is_opened_anew(
    cluster: Cluster, client: KubernetesClient, namespace: str
) -> None:
    pace = Pace(idle_seconds=0.5, first_backoff_seconds=0.05, most_backoff_seconds=0.1)
    story = Story()
    async with reflecting(client, namespace, story, pace) as reflector:
        await async_wait_until(lambda: reflector.counters.watches >= 3)
        await put(client, namespace, "a", 1)
        await until_equal(client, namespace, reflector)
        assert story.kinds() == [("added", "a")]
        assert reflector.counters.lists == 1


async def test_the_server_ends_watches_and_nothing_is_lost(
    client: KubernetesClient, namespace: str
) -> None:
    pace = Pace(watch_seconds=1, first_backoff_seconds=0.05)
    story = Story()
    async with reflecting(client, namespace, story, pace) as reflector:
        for value in itertools.count():
            await put(client, namespace, "a", value)
            if reflector.counters.watches >= 4:
                break
        await until_equal(client, namespace, reflector)
        assert reflector.counters.failures == 0
        assert reflector.counters.lists == 1
    values = [change.after["data"]["value"] for change in story.changes if change.after]
    assert values == [str(n) for n in range(len(values))]


async def test_it_waits_for_a_server_that_is_away_at_the_start(
    own: Cluster, namespace: str
) -> None:
    async with await KubernetesClient.open(own.kubeconfig, timeout_seconds=1) as client:
        reflector = Reflector(client, core("configmaps", namespace), pace=QUICK)
        with own.stopped("apiserver"):
            await reflector.start()
            await async_wait_until(lambda: reflector.counters.failures >= 2, 90)
            assert not reflector.synced
            assert reflector.seconds_since_heard == float("inf")
            assert "does not answer" in reflector.counters.last_failure
        await asyncio.wait_for(reflector.wait_synced(), 90)
        await reflector.close()


async def test_a_listener_that_fails_does_not_stop_the_copy(
    client: KubernetesClient, namespace: str
) -> None:
    def fail(change: ObjectChange) -> None:
        raise ValueError(change.key)

    path = core("configmaps", namespace)
    reflector = Reflector(client, path, label_selector=SELECTOR, on_change=fail, pace=QUICK)
    await reflector.start()
    await put(client, namespace, "a", 1)
    await put(client, namespace, "b", 1)
    await asyncio.wait_for(reflector.wait_for(lambda items: len(items) == 2), 90)
    await reflector.close()
    assert reflector.counters.callback_failures == 2
    await reflector.close()  # twice is once


async def test_a_path_that_is_not_there_is_told(client: KubernetesClient, namespace: str) -> None:
    with pytest.raises(NotFound):
        await client.get("/apis/none.example/v1/things")
    reflector = Reflector(client, "/apis/none.example/v1/things", pace=QUICK)
    await reflector.start()
    await async_wait_until(lambda: reflector.counters.failures >= 2)
    await reflector.close()
    assert "cannot list things.none.example" in reflector.counters.last_failure
