"""The serving process: binds its port, says where it listens, runs until a signal."""

import asyncio
import json
import os
import resource
import socket
from types import FrameType

import structlog
import uvicorn

from hai import __version__
from hai.core.server_role import ServerRole
from hai.errors import PlatformError
from hai.files import write_whole
from hai.server.app import build_app
from hai.server.carrier import MESSAGE_BYTES, PING_SECONDS
from hai.server.compose import compose, opened
from hai.server.connection import ChannelProtocol, HttpConnectionLimits, bounded
from hai.settings import Settings

log = structlog.get_logger("hai.server")

_BACKLOG = 2048
_OPEN_FILES = 65_536
_OWN_FILES = 1024
_GRACE_SECONDS = 2  # for requests under way; streams and long polls end at once


class _Server(uvicorn.Server):
    """Tells the streams to end when the signal comes, not when all connections are gone."""

    def __init__(self, config: uvicorn.Config, closing: asyncio.Event) -> None:
        super().__init__(config)
        self._closing = closing

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._closing.set()
        super().handle_exit(sig, frame)


def bind(settings: Settings) -> socket.socket:
    """A listening socket; PlatformError says who is there already."""
    host, port = settings.server.host, settings.server.port
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
        bound.listen(_BACKLOG)
    except OSError as error:
        bound.close()
        raise PlatformError(
            f"cannot listen on {host}:{port}: {error.strerror}",
            hint="choose another one: hai-up run -p local --port N",
        ) from error
    return bound


def raise_open_files() -> None:
    """A login's usual 1024 are gone with 500 agents: each holds two connections."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, _OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def _most_connections() -> int:
    """What is left of the open files for the server's own: segments, database, agents."""
    most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _OPEN_FILES if most == resource.RLIM_INFINITY else most
    return max(most * 3 // 4, most - _OWN_FILES)


def serve(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT."""
    raise_open_files()
    bound = bind(settings)
    port = bound.getsockname()[1]
    server = settings.server.model_copy(update={"port": port})
    settings = settings.model_copy(update={"server": server})
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(_serve(settings, bound))


def _loop_factory() -> "type[asyncio.AbstractEventLoop]":
    import uvloop

    loop: type[asyncio.AbstractEventLoop] = uvloop.Loop
    return loop


async def _serve(settings: Settings, bound: socket.socket) -> None:
    platform = compose(settings)
    app = build_app(platform.services)
    config = uvicorn.Config(
        app,
        http=bounded(HttpConnectionLimits(connections=_most_connections())),
        log_config=None,
        access_log=False,
        lifespan="off",
        timeout_graceful_shutdown=_GRACE_SECONDS,
        timeout_keep_alive=30,
        ws=ChannelProtocol,
        ws_max_size=MESSAGE_BYTES,
        ws_ping_interval=PING_SECONDS,
        ws_ping_timeout=2 * PING_SECONDS,
        ws_per_message_deflate=False,
    )
    async with opened(platform):
        _announce(settings)
        await _Server(config, platform.closing).serve(sockets=[bound])


def _announce(settings: Settings) -> None:
    """Leave a note of who serves where, for hai-up and for people: where several processes share
    a data folder, none of them is the one to be noted."""
    note = {"url": settings.server_url, "pid": os.getpid(), "version": __version__}
    role = settings.server.role
    log.info("listening", role=role.value, port=settings.server.port, **note)
    if role is not ServerRole.ALL:
        return
    path = settings.data_dir / "server.json"
    write_whole(path, json.dumps(note), mode=None)
