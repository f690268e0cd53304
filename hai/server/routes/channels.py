"""Channels into running workers: WebSockets of clients and of the agents that are called for them.

The server looks into none of the messages. What they mean: hai/agent/channel/mux.py.
"""

import asyncio
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from fastapi import APIRouter
from starlette.responses import JSONResponse
from starlette.websockets import WebSocket, WebSocketState

from hai.core.identity import User
from hai.core.task import WorkerKey
from hai.errors import AuthRequired, HaiError, InvalidInput, NotFound, Unavailable
from hai.schema.http_status import STATUS
from hai.server.carrier import Accepted, carry, to_peer
from hai.server.deps import Services, bearer
from hai.service.channels import Channel
from hai.service.workers import parse_key

if TYPE_CHECKING:
    from hai.schema.views import ErrorBody

router = APIRouter(tags=["channels"])

_LOOK_AGAIN_SECONDS = 15.0  # at the token of a client
_HOP = "X-HAI-Passed-On"


@router.websocket("/tasks/{ref}/channel")
async def client(socket: WebSocket, ref: str) -> None:
    """A user's end. `?rank=` 0 unless it is given. Answers when the worker's end is there."""
    served: Services = socket.app.state.services
    try:
        token = bearer(socket.headers)
        user = await served.users.authenticate(token)
        task = await served.tasks.find(user, ref)
        async with served.channels.opened(user, task, _rank(socket)) as channel:
            agent = await served.channels.called(channel)
            await socket.accept()
            own = Accepted(socket)
            why = await carry(
                own,
                agent,
                served.channels.limits.idle_seconds,
                lambda: _end_of(served, channel, token, user),
            )
            await agent.close(why)
            await own.close(why or agent.reason)
    except HaiError as error:
        await _deny(socket, error)


async def _end_of(served: Services, channel: Channel, token: str, user: User) -> str:
    """Returns when the worker has ended or the client is not welcome any more."""
    over = asyncio.ensure_future(served.channels.until_over(channel))
    try:
        while True:
            done, _ = await asyncio.wait({over}, timeout=_LOOK_AGAIN_SECONDS)
            if done:
                return over.result()
            try:
                await served.users.authenticate(token)
            except AuthRequired:
                return f"the token of {user.name} is no longer valid"
            except Unavailable:  # the database is away: nobody can tell
                continue
    finally:
        over.cancel()


@router.websocket("/agent/channel")
async def agent(socket: WebSocket) -> None:
    """A worker's end: `?id=` as the agent was told, and that channel's own token."""
    served: Services = socket.app.state.services
    try:
        token = bearer(socket.headers)
        key = parse_key(socket.headers.get("x-hai-worker", ""))
        channel_id = socket.query_params.get("id", "")[:64]
        served.channels.check(channel_id, key, token)
        own = Accepted(socket)
        channel = served.channels.join(channel_id, key, own)
        if channel is None:
            await _pass_on(served, socket, channel_id, key, token)
            return
    except HaiError as error:
        await _deny(socket, error)
        return
    try:
        await socket.accept()
    finally:
        channel.accepted.set()
    await channel.over.wait()  # the client's side carries
    await own.close("")


async def _pass_on(
    served: Services, socket: WebSocket, channel_id: str, key: WorkerKey, token: str
) -> None:
    """The client waits at another process."""
    if _HOP in socket.headers:
        raise NotFound("nobody waits for this channel any more")
    home = await served.channels.home_of(channel_id)
    async with served.channels.passing_on():
        path = f"/api/v1/agent/channel?{urlencode({'id': channel_id})}"
        headers = {"Authorization": f"Bearer {token}", "X-HAI-Worker": str(key), _HOP: "1"}
        peer = await to_peer(home, path, headers)
        await socket.accept()
        own = Accepted(socket)
        await carry(own, peer, served.channels.limits.idle_seconds, _never)
        await peer.close(own.reason)
        await own.close(peer.reason)


async def _never() -> str:
    await asyncio.Event().wait()
    return ""


def _rank(socket: WebSocket) -> int:
    text = socket.query_params.get("rank", "0")
    if not (text.isascii() and text.isdigit() and len(text) < 7):
        raise InvalidInput(f"{text[:40]!r} is no rank", hint="a number from 0 on")
    return int(text)


async def _deny(socket: WebSocket, error: HaiError) -> None:
    """The same body as everywhere; there is no WebSocket then."""
    if socket.application_state is WebSocketState.CONNECTED:
        await Accepted(socket).close(error.message)
        return
    body: ErrorBody = {
        "code": error.code,
        "message": error.message,
        "hint": error.hint,
        "request_id": "",
    }
    await socket.send_denial_response(JSONResponse(body, STATUS.get(error.code, 500)))
