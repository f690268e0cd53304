"""What a visitor of Studio can take from the others."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import aiohttp
import psutil

from scripts.chaos_driver.site import LocalSite
from scripts.chaos_driver.waiting import Violation
from scripts.hostile_driver.attacks import ATTACKER, OTHER_ADDRESS, VICTIM, Scene, local
from scripts.hostile_driver.site import cannot_change_accounts, has_no_studio, studio_url

GUESSES = 60
FREE_GUESSES = 5
SOCKETS = 15
MOST_DASHBOARDS = 5  # of one user: a quarter of the 20 places
_SECONDS = 120.0
_COOKIE = "hai_studio"


@asynccontextmanager
async def _visitor(address: str) -> AsyncIterator[aiohttp.ClientSession]:
    connector = aiohttp.TCPConnector(local_addr=(address, 0), limit=0)
    timeout = aiohttp.ClientTimeout(total=_SECONDS)
    jar = aiohttp.DummyCookieJar()
    async with aiohttp.ClientSession(connector=connector, timeout=timeout, cookie_jar=jar) as made:
        yield made


async def _log_in(
    visitor: aiohttp.ClientSession, url: str, user: str, token: str
) -> tuple[int, str]:
    """Status and cookie, "" where there is none."""
    form = {"user": user, "token": token}
    async with visitor.post(f"{url}/login", data=form, allow_redirects=False) as reply:
        cookie = reply.cookies.get(_COOKIE)
        return reply.status, cookie.value if cookie else ""


@local("studio-guesses", "60 guesses at once do not pass the throttle", has_no_studio)
def guesses(scene: Scene[LocalSite]) -> str:
    return asyncio.run(_guesses(studio_url(scene.site), scene.tokens[VICTIM]))


async def _guesses(url: str, token: str) -> str:
    async with _visitor(OTHER_ADDRESS) as guesser:
        tries = (_log_in(guesser, url, VICTIM, f"hai_guess{n}") for n in range(GUESSES))
        counts = Counter(status for status, _ in await asyncio.gather(*tries))
    if set(counts) - {403, 429} or counts[403] > FREE_GUESSES:
        raise Violation(f"of {GUESSES} guesses so many were answered by status: {dict(counts)}")
    async with _visitor("127.0.0.1") as owner:
        status, _ = await _log_in(owner, url, VICTIM, token)
    if status != 303:
        raise Violation(f"guesses from elsewhere lock the user out: {status}")
    return f"{counts[403]} of {GUESSES} were looked at; the user logs in meanwhile"


@local("studio-places", "one user cannot take all dashboards and sessions", has_no_studio)
def places(scene: Scene[LocalSite]) -> str:
    return asyncio.run(_places(scene))


async def _places(scene: Scene[LocalSite]) -> str:
    url, most = studio_url(scene.site), 0
    async with _visitor("127.0.0.4") as greedy, AsyncExitStack() as stack:
        for _ in range(SOCKETS):
            status, cookie = await _log_in(greedy, url, ATTACKER, scene.tokens[ATTACKER])
            if status != 303:
                raise Violation(f"logging in again is answered {status}")
            with suppress(aiohttp.WSServerHandshakeError):
                await stack.enter_async_context(_socket(greedy, url, cookie))
            most = max(most, len(_dashboards(scene.site)))
        if most > MOST_DASHBOARDS:
            raise Violation(f"{most} dashboards of one user run at once")
        async with _visitor("127.0.0.1") as other:
            status, cookie = await _log_in(other, url, VICTIM, scene.tokens[VICTIM])
            async with _socket(other, url, cookie) as socket:
                message = await socket.receive(timeout=_SECONDS)
                if status != 303 or message.type is not aiohttp.WSMsgType.BINARY:
                    raise Violation(f"another user's dashboard does not start: {message}")
    return f"{SOCKETS} asked for, {most} dashboards of one user ran; another's starts"


def _socket(
    visitor: aiohttp.ClientSession, url: str, cookie: str
) -> "aiohttp.client._WSRequestContextManager":
    headers = {"Origin": url, "Cookie": f"{_COOKIE}={cookie}"}
    return visitor.ws_connect(f"{url.replace('http', 'ws', 1)}/ws", headers=headers)


def _dashboards(site: LocalSite) -> list[psutil.Process]:
    # a child of it has its command line until it becomes another program
    studio = min(
        site.by_command("hai.studio.main", str(site.data)), key=lambda one: one.create_time()
    )
    found = []
    for child in studio.children(recursive=True):
        with suppress(psutil.Error):
            if child.status() != psutil.STATUS_ZOMBIE:
                found.append(child)
    return found


@local("studio-accounts", "dashboards run under accounts that own nothing", cannot_change_accounts)
def accounts(scene: Scene[LocalSite]) -> str:
    return asyncio.run(_accounts(scene))


async def _accounts(scene: Scene[LocalSite]) -> str:
    url = studio_url(scene.site)
    async with _visitor("127.0.0.5") as one:
        _, cookie = await _log_in(one, url, VICTIM, scene.tokens[VICTIM])
        async with _socket(one, url, cookie) as socket:
            await socket.receive(timeout=_SECONDS)
            uids = {dashboard.uids().real for dashboard in _dashboards(scene.site)}
            lines = [" ".join(p.cmdline() + list(p.environ().values())) for p in
                     _dashboards(scene.site)]  # fmt: skip
        if not uids or 0 in uids:
            raise Violation(f"dashboards run as {sorted(uids)}")
        if any(scene.tokens[VICTIM] in line for line in lines):
            raise Violation("a dashboard's token is in its command line or environment")
    return f"as {', '.join(map(str, sorted(uids)))}, without the token in sight"


@local("studio-log-out", "logging out everywhere ends every session and dashboard", has_no_studio)
def log_out(scene: Scene[LocalSite]) -> str:
    return asyncio.run(_log_out(scene))


async def _log_out(scene: Scene[LocalSite]) -> str:
    """As after a theft: the attacker has the cookie of a session that goes on elsewhere."""
    url, token = studio_url(scene.site), scene.tokens[VICTIM]
    async with _visitor(OTHER_ADDRESS) as thief, _visitor("127.0.0.1") as owner:
        _, stolen = await _log_in(owner, url, VICTIM, token)
        _, cookie = await _log_in(owner, url, VICTIM, token)
        async with _socket(thief, url, stolen) as socket:
            await socket.receive(timeout=_SECONDS)
            await owner.post(f"{url}/logout-everywhere", headers=_with(cookie, url))
            while not socket.closed:
                await socket.receive(timeout=_SECONDS)
        for one in (stolen, cookie):
            async with thief.get(f"{url}/terminal", headers=_with(one, url)) as reply:
                if reply.status != 403:
                    raise Violation(f"logged out everywhere, and the terminal says {reply.status}")
    return "a stolen session and its dashboard end"


def _with(cookie: str, url: str) -> dict[str, str]:
    return {"Cookie": f"{_COOKIE}={cookie}", "Origin": url}
