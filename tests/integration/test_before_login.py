"""What somebody without a token can make the server do: little, and not for long."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from hai.server.compose import Platform
from hai.server.connection import HEAD_BYTES, HttpConnectionLimits
from tests.integration.api import Client, document
from tests.integration.raw_http import answer, dialled, served
from tests.waiting import PATIENCE_SECONDS

PATIENT = HttpConnectionLimits(head_seconds=PATIENCE_SECONDS, body_seconds=PATIENCE_SECONDS)
QUICK = HttpConnectionLimits(head_seconds=0.2, body_seconds=0.2)
GET = b"GET /health HTTP/1.1\r\nHost: hai\r\nConnection: close\r\n"
POST = b"POST /api/v1/tasks HTTP/1.1\r\nHost: hai\r\n"


@pytest.mark.parametrize(
    "head",
    [
        GET + b"X-Much: " + b"a" * 4 * HEAD_BYTES + b"\r\n\r\n",
        GET + b"X-Never-Ends: " + b"a" * 4 * HEAD_BYTES,
        GET + b"".join(b"X-%d: a\r\n" % i for i in range(HEAD_BYTES // 4)) + b"\r\n",
        b"GET /" + b"a" * 4 * HEAD_BYTES + b" HTTP/1.1\r\nHost: hai\r\n\r\n",
        b"GET /" + b"a" * 4 * HEAD_BYTES,
    ],
    ids=["long", "unending", "many", "url", "unending-url"],
)
async def test_a_large_head_is_refused(platform: Platform, head: bytes) -> None:
    async with served(platform, PATIENT) as port, dialled(port) as peer:
        peer[1].write(head)
        assert (await answer(peer)).startswith(b"HTTP/1.1 431 ")


async def test_trailers_and_chunks_are_bounded_too(platform: Platform, admin: Client) -> None:
    token = admin.headers["Authorization"].encode()
    head = (
        POST
        + b"Authorization: "
        + token
        + b"\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    )
    trailers = b"0\r\n" + b"".join(b"X-%d: a\r\n" % i for i in range(HEAD_BYTES)) + b"\r\n"
    async with served(platform, PATIENT) as port:
        for body in (trailers, b"1\r\n \r\n" * 2**21):
            async with dialled(port) as peer:
                peer[1].write(head + body)
                said = await answer(peer)  # nothing, when the reset overtakes the answer
                assert not said or said.split(b" ", 2)[1] in (b"413", b"422", b"431")


async def test_a_head_of_usual_size_and_a_body_of_the_largest_pass(
    platform: Platform, admin: Client
) -> None:
    token = admin.headers["Authorization"].encode()
    head = POST + b"Connection: close\r\nX-Much: " + b"a" * 16_000 + b"\r\nAuthorization: " + token
    async with served(platform, PATIENT) as port, dialled(port) as peer:
        peer[1].write(head + b"\r\nContent-Length: 1048576\r\n\r\n" + b" " * 2**20)
        assert (await answer(peer)).startswith(b"HTTP/1.1 422 ")


@pytest.mark.parametrize("token", [b"", b"Authorization: Bearer hai_no\r\n"])
async def test_the_token_is_looked_at_before_the_body(platform: Platform, token: bytes) -> None:
    async with served(platform, PATIENT) as port, dialled(port) as peer:
        peer[1].write(POST + token + b"Content-Length: 900000\r\n\r\n")
        async with asyncio.timeout(PATIENCE_SECONDS):
            assert await peer[0].readline() == b"HTTP/1.1 401 Unauthorized\r\n"  # none was sent


async def test_an_agent_says_who_it_is_before_its_body(platform: Platform) -> None:
    head = b"POST /api/v1/agent/sync HTTP/1.1\r\nHost: hai\r\nAuthorization: Bearer haiw_no\r\n"
    async with served(platform, PATIENT) as port:
        async with dialled(port) as peer:
            peer[1].write(head + b"X-HAI-Worker: 1.1.0\r\nContent-Length: 900000\r\n\r\n")
            async with asyncio.timeout(PATIENCE_SECONDS):
                assert b" 401 " in await peer[0].readline()
        async with dialled(port) as peer:  # of an older release: only so much on trust
            peer[1].write(head + b"Content-Length: 900000\r\n\r\n" + b" " * 70_000)
            async with asyncio.timeout(PATIENCE_SECONDS):
                assert b" 413 " in await peer[0].readline()


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"G",
        b"\r\n",
        GET,
        GET.replace(b"Connection: close", b"X: y") + b"\r\n" + GET,
        POST + b"Content-Length: 10\r\n\r\n12345",
        POST + b"Transfer-Encoding: chunked\r\n\r\n5\r\n123",
    ],
)
async def test_half_a_request_does_not_stay(platform: Platform, said: bytes) -> None:
    async with served(platform, QUICK) as port, dialled(port) as peer:
        peer[1].write(said)
        told = await answer(peer)  # the server hangs up
        assert told.rpartition(b"HTTP/1.1 ")[2].startswith(b"408 "), told


async def test_a_crowd_of_half_requests_costs_its_own_places(platform: Platform) -> None:
    limits = HttpConnectionLimits(head_seconds=PATIENCE_SECONDS, patience_seconds=0, waiting=20)
    async with served(platform, limits) as port, AsyncExitStack() as stack:
        slow = await stack.enter_async_context(dialled(port))
        slow[1].write(b"GET /hea")
        crowd = [
            await stack.enter_async_context(dialled(port, address="127.0.0.2")) for _ in range(60)
        ]
        for peer in crowd:
            peer[1].write(b"GET /")
        for peer in crowd[:30]:
            said = await answer(peer)  # nothing, when the reset overtakes the answer
            assert not said or said.startswith(b"HTTP/1.1 503 ")
        slow[1].write(b"lth HTTP/1.1\r\nHost: hai\r\nConnection: close\r\n\r\n")
        assert (await answer(slow)).startswith(b"HTTP/1.1 200 ")


async def test_a_wrong_method_is_told_the_right_ones(alice: Client) -> None:
    reply = await alice.put("/api/v1/tasks", json={})
    assert reply.status_code == 405
    assert "GET" in reply.headers["Allow"]


async def test_what_the_schema_allows_is_taken(alice: Client) -> None:
    made = await alice.post("/api/v1/tasks", json=document("ranked", seconds=3600))
    path = f"/api/v1/tasks/{made.json()['id']}/priority"
    reply = await alice.post(path, json={"priority": None, "custom_rank": 1.0})
    assert reply.status_code == 200, reply.text
    assert (await alice.post(path, json={"priority": None})).status_code == 422
