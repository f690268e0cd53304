"""The reflector and the client against answers that no API server gives on demand."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from hai.errors import HaiError, Unavailable
from hai.kubernetes.client import KubernetesClient
from hai.kubernetes.reflector import ObjectChange, Pace, Reflector
from tests.kubernetes.recorded import (
    RecordedApi,
    WatchScript,
    event,
    expired_event,
    listed,
    refused,
    serving,
    thing,
)
from tests.waiting import async_wait_until

PATH = "/apis/example/v1/things"
QUICK = Pace(first_backoff_seconds=0.01, most_backoff_seconds=0.05, watch_seconds=1000)
HANG = WatchScript(then="hang")


@asynccontextmanager
async def reflecting(
    api: RecordedApi, folder: Path, pace: Pace = QUICK
) -> AsyncIterator[tuple[Reflector, list[ObjectChange]]]:
    changes: list[ObjectChange] = []
    async with (
        serving(api, folder) as kubeconfig,
        await KubernetesClient.open(kubeconfig, timeout_seconds=5) as client,
    ):
        reflector = Reflector(client, PATH, on_change=changes.append, pace=pace)
        await reflector.start()
        try:
            yield reflector, changes
        finally:
            await reflector.close()


def told(changes: list[ObjectChange]) -> list[tuple[str, str]]:
    return [(change.kind, change.key[1]) for change in changes]


def names(reflector: Reflector) -> set[str]:
    return {name for _, name in reflector.items}


@pytest.mark.parametrize("refusal", ["in the stream", "as an answer"])
async def test_410_of_a_watch_lists_again_and_repeats_nothing(tmp_path: Path, refusal: str) -> None:
    gone = WatchScript(expired_event()) if refusal == "in the stream" else refused(410, "Expired")
    api = RecordedApi(
        [
            listed(10, thing("a", 1), thing("b", 2), thing("c", 3)),
            listed(20, thing("a", 1), thing("c", 15), thing("d", 16)),
        ],
        [WatchScript(event("MODIFIED", thing("b", 11))), gone, HANG],
    )
    async with reflecting(api, tmp_path) as (reflector, changes):
        await async_wait_until(lambda: names(reflector) == {"a", "c", "d"})
        assert told(changes[:4]) == [
            ("added", "a"),
            ("added", "b"),
            ("added", "c"),
            ("modified", "b"),
        ]
        assert sorted(told(changes[4:])) == [("added", "d"), ("deleted", "b"), ("modified", "c")]
        assert reflector.counters.expired == 1
        await async_wait_until(lambda: reflector.counters.watches == 3)
    versions = [asked["resourceVersion"] for asked in api.asked if "watch" in asked]
    assert versions == ["10", "11", "20"]
    assert all("resourceVersion" not in asked for asked in api.asked if "watch" not in asked)


async def test_410_again_and_again_is_not_a_storm(tmp_path: Path) -> None:
    api = RecordedApi([listed(10, thing("a", 1))], [refused(410)])
    pace = Pace(first_backoff_seconds=0.01, most_backoff_seconds=1000)
    async with reflecting(api, tmp_path, pace) as (reflector, changes):
        await async_wait_until(lambda: reflector.counters.expired >= 6)
        assert reflector._at.failures >= 6, "pauses grow although each list succeeds"
        assert told(changes) == [("added", "a")]


async def test_410_between_two_pages_begins_the_list_anew(tmp_path: Path) -> None:
    api = RecordedApi(
        [
            listed(10, thing("a", 1), rest="x"),
            refused(410, "Expired"),
            listed(20, thing("b", 2), rest="y"),
            listed(20, thing("c", 3)),
        ],
        [HANG],
    )
    async with reflecting(api, tmp_path) as (reflector, changes):
        await async_wait_until(lambda: reflector.counters.watches)
        assert told(changes) == [("added", "b"), ("added", "c")], "half a list is no list"
    assert [asked.get("continue") for asked in api.asked] == [None, "x", None, "y", None]


async def test_bookmarks_move_the_version_and_tell_nothing(tmp_path: Path) -> None:
    bookmark = event("BOOKMARK", {"kind": "Thing", "metadata": {"resourceVersion": "99"}})
    api = RecordedApi([listed(10, thing("a", 1))], [WatchScript(bookmark), HANG])
    async with reflecting(api, tmp_path) as (reflector, changes):
        await async_wait_until(lambda: reflector.counters.watches == 2)
        assert told(changes) == [("added", "a")]
        assert reflector.counters.bookmarks == 1
        await async_wait_until(lambda: len(api.asked) == 3)
    assert api.asked[-1]["resourceVersion"] == "99"
    assert api.asked[-1]["allowWatchBookmarks"] == "true"


async def test_an_event_that_comes_twice_is_told_once(tmp_path: Path) -> None:
    again = event("MODIFIED", thing("a", 11))
    api = RecordedApi(
        [listed(10, thing("a", 1))],
        [
            WatchScript(again),
            WatchScript(again, event("DELETED", thing("a", 12))),
            WatchScript(event("DELETED", thing("a", 12)), then="hang"),
        ],
    )
    async with reflecting(api, tmp_path) as (reflector, changes):
        await async_wait_until(lambda: reflector.counters.events == 4)
        assert told(changes) == [("added", "a"), ("modified", "a"), ("deleted", "a")]
        assert changes[2].before == thing("a", 12), "the state in which it went"


@pytest.mark.parametrize("way", ["list", "watch"])
async def test_another_object_of_the_same_name_is_two_changes(tmp_path: Path, way: str) -> None:
    other = thing("a", 15, uid="other")
    first: list[WatchScript | web.Response] = [WatchScript(event("MODIFIED", other)), HANG]
    api = RecordedApi(
        [listed(10, thing("a", 1)), listed(20, other)],
        first if way == "watch" else [refused(410), HANG],
    )
    async with reflecting(api, tmp_path) as (reflector, changes):
        await async_wait_until(lambda: len(changes) == 3)
        assert told(changes) == [("added", "a"), ("deleted", "a"), ("added", "a")]
        assert changes[1].before == thing("a", 1)
        assert reflector.items["n", "a"] == other


@pytest.mark.parametrize(
    "cut", [1, 20, 60, len(event("ADDED", thing("b", 11))) - 1, len(event("ADDED", thing("b", 11)))]
)
async def test_an_event_cut_in_two_is_told_once(tmp_path: Path, cut: int) -> None:
    whole = event("ADDED", thing("b", 11)) + event("ADDED", thing("c", 12))
    api = RecordedApi(
        [listed(10, thing("a", 1))],
        [WatchScript(whole[:cut]), WatchScript(whole, then="hang")],
    )
    async with reflecting(api, tmp_path) as (reflector, changes):
        await async_wait_until(lambda: names(reflector) == {"a", "b", "c"})
        assert told(changes) == [("added", "a"), ("added", "b"), ("added", "c")]


@pytest.mark.parametrize("size", [1, 7, 1000])
async def test_events_come_in_pieces_of_any_size(tmp_path: Path, size: int) -> None:
    item = thing("b", 11, text="ü" * 2000)
    whole = event("ADDED", item) + b"\n" + event("DELETED", thing("a", 12))
    pieces = [whole[at : at + size] for at in range(0, len(whole), size)]
    api = RecordedApi([listed(10, thing("a", 1))], [WatchScript(*pieces, then="hang")])
    async with reflecting(api, tmp_path) as (reflector, _):
        await async_wait_until(lambda: names(reflector) == {"b"})
        assert reflector.items["n", "b"] == item
        assert reflector.counters.failures == 0


@pytest.mark.parametrize(
    "garbage",
    [
        b"<html>\n",
        b"[]\n",
        b"{}\n",
        b'{"type": 1, "object": {}}\n',
        b'{"type": "ADDED"}\n',
        b"\xff\xfe\n",
        b'{"type": "ADDED", "object": 1}\n',
        b"null\n",
    ],
)
async def test_garbage_instead_of_events_is_a_failure_and_it_goes_on(
    tmp_path: Path, garbage: bytes
) -> None:
    api = RecordedApi(
        [listed(10, thing("a", 1))],
        [WatchScript(garbage), WatchScript(event("ADDED", thing("b", 11)), then="hang")],
    )
    async with reflecting(api, tmp_path) as (reflector, _):
        await async_wait_until(lambda: names(reflector) == {"a", "b"})
        assert reflector.counters.failures == 1
        assert reflector.counters.lists == 1


@pytest.mark.parametrize(
    "item", [{}, {"metadata": {}}, {"metadata": None}, {"metadata": {"name": 1}}]
)
async def test_objects_without_a_name_are_a_failure_and_it_goes_on(
    tmp_path: Path, item: dict[str, object]
) -> None:
    api = RecordedApi(
        [listed(9, item), listed(10, thing("a", 1))],
        [
            WatchScript(event("ADDED", item)),
            WatchScript(event("ADDED", thing("b", 11)), then="hang"),
        ],
    )
    async with reflecting(api, tmp_path) as (reflector, _):
        await async_wait_until(lambda: names(reflector) == {"a", "b"})
        assert reflector.counters.failures == 2


async def test_a_watch_that_always_ends_at_once_is_not_hammered(tmp_path: Path) -> None:
    api = RecordedApi([listed(10, thing("a", 1))], [WatchScript()])
    pace = Pace(first_backoff_seconds=0.01, most_backoff_seconds=1000)
    async with reflecting(api, tmp_path, pace) as (reflector, _):
        await async_wait_until(lambda: reflector.counters.failures >= 5)
        assert reflector._at.failures >= 5
        assert "ended the watch" in reflector.counters.last_failure


async def test_a_server_without_any_news_is_not_silent(tmp_path: Path) -> None:
    """Since it started nothing has changed: it sends no bookmarks either, but answers."""
    pace = Pace(idle_seconds=4, quiet_seconds=0.2, steady_seconds=1, first_backoff_seconds=1)
    async with reflecting(RecordedApi([listed(10)], [HANG]), tmp_path, pace) as (reflector, _):
        for watches in (1, 2):
            await async_wait_until(
                lambda watches=watches: reflector.counters.failures == watches,  # type: ignore[misc]
                60,
                what="the end of the watch",
            )
            assert reflector.seconds_since_heard < 3
            assert reflector._at.failures <= 1, "its pauses must not grow"


async def test_it_waits_as_long_as_an_overloaded_server_asks(tmp_path: Path) -> None:
    api = RecordedApi([refused(429, "TooManyRequests", "2"), listed(10, thing("a", 1))], [HANG])
    began = asyncio.get_running_loop().time()
    async with reflecting(api, tmp_path) as (reflector, _):
        await asyncio.wait_for(reflector.wait_synced(), 20)
        assert asyncio.get_running_loop().time() - began >= 2
        assert "cannot list things.example" in reflector.counters.last_failure


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "invalid_input"),
        (401, "auth_required"),
        (403, "denied"),
        (404, "not_found"),
        (405, "invalid_input"),
        (409, "conflict"),
        (410, "conflict"),
        (415, "invalid_input"),
        (422, "invalid_input"),
        (429, "unavailable"),
        (500, "unavailable"),
        (503, "unavailable"),
        (504, "unavailable"),
        (302, "invalid_input"),
    ],
)
async def test_each_refusal_has_its_error(tmp_path: Path, status: int, code: str) -> None:
    api = RecordedApi([refused(status, retry_after="7")], [HANG])
    async with (
        serving(api, tmp_path) as kubeconfig,
        await KubernetesClient.open(kubeconfig) as client,
    ):
        with pytest.raises(HaiError) as error:
            await client.get(PATH)
        assert error.value.code == code
        assert f"recorded {status}" in error.value.message
        assert client.failures == {code: 1}
        if isinstance(error.value, Unavailable):
            assert error.value.retry_after_seconds == 7


@pytest.mark.parametrize("body", [b"", b"<html>502</html>", b"[1]", b"\xff", b"null"])
@pytest.mark.parametrize("status", [200, 502])
async def test_an_answer_that_is_no_json_object_is_unavailable(
    tmp_path: Path, body: bytes, status: int
) -> None:
    api = RecordedApi([web.Response(body=body, status=status)], [HANG])
    async with (
        serving(api, tmp_path) as kubeconfig,
        await KubernetesClient.open(kubeconfig) as client,
    ):
        with pytest.raises(Unavailable):
            await client.get(PATH)
