"""The door's listeners: one for host names, or one for each service's port, opened when it is used.

They have bounds of their own: a body may be of any size there, and comes as slowly as the service
takes it.
"""

import asyncio
import os
import socket
import sys
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import structlog
import uvicorn

from hai.door.addresses import Addresses, HostAddresses, PortAddresses
from hai.door.app import Door
from hai.door.desk import Desk
from hai.door.sessions import DoorSessions
from hai.door.tunnels import Tunnels
from hai.door.upgrade import DoorSocket
from hai.errors import HaiError, PlatformError
from hai.ports import Clock, Store
from hai.server.connection import HttpConnectionLimits, bounded
from hai.service.channels import Channels
from hai.settings import Settings

log = structlog.get_logger("hai.door")

_BACKLOG = 512
_LOOK_SECONDS = 2.0  # for ports that other processes gave away
_GRACE_SECONDS = 2.0
_BODY_SECONDS = 300.0  # without a byte of a body that has begun


class Doorway:
    """Open between `open` and `close`; `desk` is what the API asks for tickets."""

    def __init__(self, settings: Settings, store: Store, clock: Clock, channels: Channels) -> None:
        door = settings.door
        self._listen = door.listen or settings.server.host
        self._port = door.port
        self._tunnels = Tunnels(channels)
        self._ports: PortAddresses | None = None
        self._servers: dict[int, asyncio.Server] = {}
        self._looking: asyncio.Task[None] | None = None
        self._state = uvicorn.server.ServerState()
        addresses: Addresses
        if door.host:
            addresses = HostAddresses(store, door.host, door.scheme, door.public_port or door.port)
        else:
            host = door.public_host or urlsplit(settings.server_url).hostname or "127.0.0.1"
            ports, rest = door.port_range, door.port_rest_seconds
            addresses = self._ports = PortAddresses(store, clock, host, ports, rest, self.listen)
        sessions = DoorSessions(store, clock, door.session_seconds)
        self.desk = Desk(store, addresses, sessions, self._tunnels, door.connections_per_user)
        limits = HttpConnectionLimits(
            body_seconds=_BODY_SECONDS, wire_bytes=sys.maxsize, is_streaming=True
        )
        self._config = uvicorn.Config(
            Door(self.desk),
            interface="asgi3",
            http=bounded(limits),
            ws=DoorSocket,  # it takes connections as uvicorn's own does
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            date_header=False,
            lifespan="off",
            timeout_keep_alive=30,
        )

    async def open(self) -> None:
        """PlatformError when somebody is at the port already."""
        self._config.load()
        if self._ports is None:
            if not await self.listen(self._port):
                raise PlatformError(
                    f"the door cannot listen on {self._listen}:{self._port}",
                    hint="choose another port: [door] port",
                )
            log.info("door", port=self._port)
            return
        self._looking = asyncio.create_task(self._look(self._ports), name="door ports")

    async def listen(self, port: int) -> bool:
        """False when another program has this port."""
        if port in self._servers:
            return True
        try:
            server = await asyncio.get_running_loop().create_server(
                self._connection, sock=self._bound(port), backlog=_BACKLOG
            )
        except OSError as error:
            log.warning("door_port", port=port, error=os.strerror(error.errno or 0))
            return False
        self._servers[port] = server
        return True

    async def close(self) -> None:
        if self._looking is not None:
            self._looking.cancel()
            with suppress(asyncio.CancelledError):
                await self._looking
        for server in self._servers.values():
            server.close()
        for connection in list(self._state.connections):
            connection.shutdown()
        if self._state.tasks:
            await asyncio.wait(set(self._state.tasks), timeout=_GRACE_SECONDS)
        for task in list(self._state.tasks):
            task.cancel()
        await self._tunnels.close()
        self._servers.clear()

    def _connection(self) -> asyncio.Protocol:
        kind: Any = self._config.http_protocol_class
        protocol: asyncio.Protocol = kind(
            config=self._config, server_state=self._state, app_state={}
        )
        return protocol

    def _bound(self, port: int) -> socket.socket:
        family = socket.AF_INET6 if ":" in self._listen else socket.AF_INET
        bound = socket.socket(family, socket.SOCK_STREAM)
        try:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            bound.bind((self._listen, port))
        except OSError:
            bound.close()
            raise
        return bound

    async def _look(self, ports: PortAddresses) -> None:
        """What was given away, here before a restart or by another process, is listened to."""
        refused: set[int] = set()
        while True:
            with suppress(HaiError):  # the database is away
                given = set(await ports.refresh())
                for port in sorted(given - set(self._servers) - refused):
                    if not await self.listen(port):
                        refused.add(port)
                refused &= given
            await asyncio.sleep(_LOOK_SECONDS)
