"""hai-studio: the dashboard in the browser. hai-up run starts it beside the server."""

import argparse
import asyncio
import logging
import signal
import socket
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from hai import __version__
from hai.errors import HaiError, InvalidInput, PlatformError

if TYPE_CHECKING:
    from hai.studio.front import Front

DEFAULT_PORT = 8080


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="hai-studio", description=__doc__)
    made.add_argument("--server", metavar="URL", required=True, help="where hai-server answers")
    made.add_argument("--host", default="127.0.0.1", help="address to listen on [127.0.0.1]")
    made.add_argument("--port", type=int, default=DEFAULT_PORT, help="port; 0: any [8080]")
    made.add_argument("--read-only", action="store_true", help="nobody can change anything")
    made.add_argument("--visitors", type=int, default=20, help="dashboards at once [20]")
    made.add_argument(
        "--idle-minutes", type=float, default=30.0, help="without a key, then log out [30]"
    )
    made.add_argument(
        "--proxy",
        metavar="ADDRESS",
        action="append",
        default=[],
        help="a reverse proxy whose X-Forwarded-For names the visitor; repeatable",
    )
    made.add_argument("--owner", metavar="FOLDER", help="the platform that it belongs to (hai-up)")
    made.add_argument("--version", action="version", version=f"hai-studio {__version__}")
    return made


def main(argv: Sequence[str] | None = None) -> None:
    """Console entry; serves until SIGTERM or SIGINT."""
    asked = parser().parse_args(argv)
    try:
        _run(asked)
    except ModuleNotFoundError as error:
        _leave(
            PlatformError(
                f"{error.name} is not installed: no studio extra",
                hint="pip install 'hai-platform[studio]'",
            )
        )
    except HaiError as error:
        _leave(error)


def _leave(error: HaiError) -> None:
    hint = f"\n  hint: {error.hint}" if error.hint else ""
    print(f"hai-studio: {error.message}{hint}", file=sys.stderr)  # noqa: T201 - narration
    sys.exit(2 if isinstance(error, InvalidInput) else 1)


def _run(asked: argparse.Namespace) -> None:
    from hai.client.profile import normal_url
    from hai.studio.front import Front, FrontOptions
    from hai.studio.sessions import SessionLimits

    if asked.visitors < 1 or asked.idle_minutes <= 0:
        raise InvalidInput("--visitors and --idle-minutes must be more than 0")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    logging.getLogger("aiohttp.access").setLevel(logging.WARNING)
    limits = SessionLimits(visitors=asked.visitors, idle_seconds=asked.idle_minutes * 60)
    front = Front(
        FrontOptions(
            normal_url(asked.server),
            limits,
            read_only=asked.read_only,
            proxies=frozenset(asked.proxy),
        )
    )
    asyncio.run(_serve(front, bind(asked.host, asked.port)))


def bind(host: str, port: int) -> socket.socket:
    """A listening socket; PlatformError says why there is none."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
    except OSError as error:
        bound.close()
        raise PlatformError(
            f"cannot listen on {host}:{port}: {error.strerror}", hint="choose another --port"
        ) from error
    return bound


async def _serve(front: "Front", bound: socket.socket) -> None:
    from aiohttp import web

    runner = web.AppRunner(front.app(), access_log=None, shutdown_timeout=2.0)
    await runner.setup()
    assert runner.server is not None  # noqa: S101 - for the type checker
    listening = await asyncio.get_running_loop().create_server(
        front.bounded(runner.server), sock=bound, backlog=1024
    )
    if front.accounts.why:
        logging.getLogger("hai.studio").warning("dashboards run as root: %s", front.accounts.why)
    host, port = bound.getsockname()[:2]
    logging.getLogger("hai.studio").info("listening on http://%s:%s", host, port)
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()
    listening.close()
    await runner.cleanup()


if __name__ == "__main__":
    main()
