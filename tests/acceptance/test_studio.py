"""Studio as a visitor meets it: in a headless Chromium, and with requests of one's own."""

import asyncio
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from hai.studio.front import Front, FrontOptions
from tests.acceptance.browser import Page
from tests.acceptance.person import Person
from tests.acceptance.studio_site import Studio, lab, log_in, relayed, running_studio
from tests.live import Live
from tests.waiting import PATIENCE_SECONDS, async_wait_until

pytestmark = pytest.mark.acceptance

_COOKIE = re.compile(r"hai_studio=([^;]+)")


@pytest.fixture(scope="module")
def studio(shared_live: Live) -> Iterator[Studio]:
    if "bob" not in shared_live.tokens:
        shared_live.add_user("bob")
    with running_studio(shared_live) as found:
        yield found


@pytest.fixture
def make_studio(shared_live: Live, tmp_path: Path) -> Iterator[list[Studio]]:
    made: list[Studio] = []
    yield made
    for studio in made:
        studio.close()


# in the browser


async def test_log_in_see_the_queue_open_a_log_and_suspend(
    page: Page, studio: Studio, hai: Person
) -> None:
    task_id = hai.submit("web.sh", "echo hello from the log; sleep 1000")
    hai.live.wait(task_id, "running")
    token = hai.live.tokens["root"]
    await log_in(page, studio, "root", token)
    await page.has("#desk")
    await page.shows("nodes free")
    await page.press("1")
    await page.shows("web.sh")
    await page.press(*f":task {task_id}", "Enter")
    await page.shows("TIMELINE")
    await page.press("l")
    await page.shows("hello from the log")
    page.forget()
    await page.press("q")
    await page.shows("TIMELINE")
    await page.press("z")
    await page.shows("is told to save")
    await page.press("y")
    await async_wait_until(
        lambda: hai.live.detail(task_id)["state"] == "suspended", 60, what="the suspend"
    )
    assert page.refused == []
    assert {url.split("/")[2] for url in page.urls if "/" in url} == {f"127.0.0.1:{studio.port}"}
    assert not [url for url in page.urls if token in url]
    seen = " ".join(f"{process.cmdline()} {process.environ()}" for process in studio.dashboards())
    assert "hai.tui.main" in seen
    assert token not in seen
    assert token.encode() not in page.received
    assert await page.run("document.cookie") == ""  # HttpOnly
    hai("stop", str(task_id), "-y")


async def test_a_visitor_has_that_users_rights_and_no_files(
    page: Page, studio: Studio, hai: Person
) -> None:
    task_id = hai.hollow("not-bobs")
    hai.live.wait(task_id, "running")
    await log_in(page, studio, "bob", hai.live.tokens["bob"])
    await page.has("#desk")
    await page.shows("bob")
    await page.press(*f":task {task_id}", "Enter")
    await page.shows("TIMELINE")
    await page.press("z")
    await page.shows("is told to save")
    await page.press("y")
    await page.shows("belongs to root")
    page.forget()
    await page.press("x", "?")
    await page.shows("keys of task")
    assert b"written:" not in bytes(page.received)
    assert hai.live.detail(task_id)["state"] == "running"
    hai("stop", str(task_id), "-y")


async def test_a_wrong_token_is_refused(page: Page, studio: Studio) -> None:
    await log_in(page, studio, "root", "hai_wrong")
    await page.has("[role=alert]")
    assert "user or token is wrong" in await page.run("document.body.innerText")
    assert page.sockets == 0


async def test_log_out_ends_the_dashboard(page: Page, studio: Studio) -> None:
    await async_wait_until(lambda: not studio.dashboards(), what="the end of earlier ones")
    await log_in(page, studio, "bob", studio.live.tokens["bob"])
    await page.has("#desk")
    await page.shows("nodes free")
    assert len(studio.dashboards()) == 1
    await page.click("#bar button")
    await page.has("input[name=token]")
    await async_wait_until(lambda: not studio.dashboards(), what="its end")


# with requests of one's own


@dataclass
class Visitor:
    """Somebody without a browser."""

    studio: Studio
    client: aiohttp.ClientSession

    async def log_in(self, user: str, token: str) -> aiohttp.ClientResponse:
        return await self.client.post(
            f"{self.studio.url}/login",
            data={"user": user, "token": token},
            allow_redirects=False,
        )

    async def socket(
        self, cookie: str = "", origin: str | None = None
    ) -> aiohttp.ClientWebSocketResponse:
        headers = {"Origin": self.studio.url if origin is None else origin}
        if cookie:
            headers["Cookie"] = f"hai_studio={cookie}"
        return await self.client.ws_connect(
            f"{self.studio.url.replace('http', 'ws')}/ws?width=80&height=24", headers=headers
        )


@pytest.fixture
async def visitor(studio: Studio) -> AsyncIterator[Visitor]:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as client:
        yield Visitor(studio, client)


def cookie_of(reply: aiohttp.ClientResponse) -> str:
    found = _COOKIE.search(reply.headers["Set-Cookie"])
    assert found
    return found[1]


async def hears(socket: aiohttp.ClientWebSocketResponse, text: bytes) -> None:
    seen = b""
    async with asyncio.timeout(PATIENCE_SECONDS):
        async for message in socket:
            seen += message.data if isinstance(message.data, bytes) else b""
            if text in seen:
                return
    raise AssertionError(f"{text!r} did not come: {seen[-500:]!r}")


async def test_the_cookie_is_for_the_browser_only(visitor: Visitor) -> None:
    reply = await visitor.log_in("root", visitor.studio.live.tokens["root"])
    assert reply.status == 303
    attributes = reply.headers["Set-Cookie"]
    assert "HttpOnly" in attributes
    assert "SameSite=Strict" in attributes
    assert visitor.studio.live.tokens["root"] not in attributes
    for name in ("Content-Security-Policy", "X-Content-Type-Options", "Cache-Control"):
        assert name in reply.headers


@pytest.mark.parametrize("cookie", ["", "nonsense"])
async def test_no_cookie_no_socket(visitor: Visitor, cookie: str) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await visitor.socket(cookie)
    assert refused.value.status == 403


@pytest.mark.parametrize("origin", ["http://evil.example", "null"])
async def test_another_pages_socket_is_refused(visitor: Visitor, origin: str) -> None:
    reply = await visitor.log_in("root", visitor.studio.live.tokens["root"])
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await visitor.socket(cookie_of(reply), origin)
    assert refused.value.status == 403
    posted = await visitor.client.post(
        f"{visitor.studio.url}/logout", headers={"Origin": origin}, allow_redirects=False
    )
    assert posted.status == 403


async def test_a_name_needs_its_own_token(visitor: Visitor) -> None:
    tokens = visitor.studio.live.tokens
    assert (await visitor.log_in("root", tokens["bob"])).status == 403
    assert (await visitor.log_in("bob", "")).status == 403
    assert (await visitor.log_in("bob", "häi")).status == 403


async def test_the_second_page_of_a_visitor_takes_over(visitor: Visitor) -> None:
    reply = await visitor.log_in("bob", visitor.studio.live.tokens["bob"])
    first = await visitor.socket(cookie_of(reply))
    await hears(first, b"HAI")
    second = await visitor.socket(cookie_of(reply))
    await hears(second, b"HAI")
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not first.closed:
            await first.receive()
    await second.send_str('["stdin"]')  # what is no message is passed over
    await second.send_str("not json")
    await second.send_str('["resize", {"width": "wide", "height": 999999}]')
    await second.send_str('["ping", 7]')
    await hears_pong(second)
    await second.close()


async def hears_pong(socket: aiohttp.ClientWebSocketResponse) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        async for message in socket:
            if message.type is aiohttp.WSMsgType.TEXT and "pong" in message.data:
                return
    raise AssertionError("no pong")


async def test_guessing_is_slowed_down(
    make_studio: list[Studio], shared_live: Live, tmp_path: Path
) -> None:
    studio = Studio(shared_live, tmp_path / "studio.log")
    make_studio.append(studio)
    studio.start()
    async with aiohttp.ClientSession() as client:
        visitor = Visitor(studio, client)
        codes = [(await visitor.log_in("root", f"hai_{n}")).status for n in range(6)]
        assert codes == [403] * 5 + [429]
        reply = await visitor.log_in("root", shared_live.tokens["root"])
        assert reply.status == 429
        assert int(reply.headers["Retry-After"]) >= 1
    assert shared_live.tokens["root"] not in studio.log.read_text()


async def test_limits_of_visitors_and_idle_time(
    make_studio: list[Studio], shared_live: Live, tmp_path: Path
) -> None:
    options = ("--visitors", "1", "--idle-minutes", "0.1")
    studio = Studio(shared_live, tmp_path / "studio.log", options)
    make_studio.append(studio)
    studio.start()
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as client:
        visitor = Visitor(studio, client)
        root = cookie_of(await visitor.log_in("root", shared_live.tokens["root"]))
        socket = await visitor.socket(root)
        await hears(socket, b"HAI")
        other = cookie_of(await visitor.log_in("bob", shared_live.tokens["bob"]))
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await visitor.socket(other)
        assert refused.value.status == 503
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not socket.closed:
                await socket.receive()
        await async_wait_until(lambda: not studio.dashboards(), what="the dashboard's end")
        page = await client.get(studio.url, headers={"Cookie": f"hai_studio={root}"})
        assert "Log in" in await page.text()


async def test_containers_are_for_those_whose_they_are(visitor: Visitor, hai: Person) -> None:
    """What changes things needs the cookie, our own page, and the right."""
    url = f"{visitor.studio.url}/containers"
    task_id = hai.hollow("no-visitors-own")
    cookie = cookie_of(await visitor.log_in("bob", visitor.studio.live.tokens["bob"]))
    kept = {"Cookie": f"hai_studio={cookie}"}

    async def posted(headers: dict[str, str], verb: str) -> tuple[int, str]:
        target = f"{url}/{task_id}/{verb}"
        reply = await visitor.client.post(target, headers=headers, allow_redirects=False)
        return reply.status, await reply.text()

    assert (await posted({}, "stop"))[0] == 303, "to the login"
    assert (await posted({**kept, "Origin": "http://evil.example"}, "stop"))[0] == 403
    for verb in ("stop", "extend", "remove"):
        status, text = await posted(kept, verb)
        assert (status, "belongs to root" in text) == (403, True), (verb, text)
    status, text = await posted(kept, "open")
    assert (status, "no door for browsers" in text) == (404, True), text
    logs = await visitor.client.get(f"{url}/{task_id}/logs", headers=kept)
    assert (logs.status, "belongs to root" in await logs.text()) == (403, True)
    assert (await visitor.client.get(f"{url}/live")).status == 403
    page = await (await visitor.client.get(url, headers=kept)).text()
    assert "no-visitors-own" not in page
    assert hai.live.detail(task_id)["state"] != "stopped"
    hai("stop", str(task_id), "-y")


async def test_a_studio_that_only_shows_changes_nothing(
    make_studio: list[Studio], shared_live: Live, tmp_path: Path
) -> None:
    studio = Studio(shared_live, tmp_path / "studio.log", ("--read-only",))
    make_studio.append(studio)
    studio.start()
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as client:
        visitor = Visitor(studio, client)
        cookie = cookie_of(await visitor.log_in("root", shared_live.tokens["root"]))
        kept = {"Cookie": f"hai_studio={cookie}"}
        url = f"{studio.url}/containers"
        assert (await client.get(url, headers=kept)).status == 200
        for target in (url, f"{url}/1/stop", f"{url}/1/open"):
            reply = await client.post(target, headers=kept, data={"name": "read-only-lab"})
            assert (reply.status, "only shows" in await reply.text()) == (403, True)
    with shared_live.client() as admin:
        assert admin.get("/tasks", params={"name": "read-only-lab"}).json()["tasks"] == []


async def test_a_revoked_token_gets_no_socket(visitor: Visitor) -> None:
    live = visitor.studio.live
    with live.client() as admin:
        made = admin.post("/users/bob/tokens", json={"label": "short"}).json()
    cookie = cookie_of(await visitor.log_in("bob", made["token"]))
    with live.client() as admin:
        assert admin.delete(f"/tokens/{made['id']}").status_code == 204
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await visitor.socket(cookie)
    assert refused.value.status == 403


async def test_a_session_outlives_a_platform_that_is_away() -> None:
    """Whoever loads the page again meanwhile is not logged out, and sees the dashboard wait."""
    statuses = [200, 503]

    async def whoami(_: web.Request) -> web.Response:
        return web.json_response({"user": {"name": "bob"}}, status=statuses.pop(0))

    platform = web.Application()
    platform.add_routes([web.get("/api/v1/whoami", whoami)])
    async with TestServer(platform) as server:
        front = Front(FrontOptions(str(server.make_url("")).rstrip("/")))
        async with TestServer(front.app()) as door, aiohttp.ClientSession() as client:
            form = {"user": "bob", "token": "hai_x"}
            reply = await client.post(door.make_url("/login"), data=form, allow_redirects=False)
            kept = {"Cookie": f"hai_studio={cookie_of(reply)}"}
            origin = {"Origin": str(door.make_url("")).rstrip("/")}
            url = door.make_url("/ws")
            async with client.ws_connect(url, headers={**kept, **origin}) as socket:
                await hears(socket, b"HAI")
            assert statuses == []
            page = await client.get(door.make_url("/"), headers=kept)
            assert "Log out" in await page.text()


async def test_a_look_at_the_containers_is_one_request(shared_live: Live) -> None:
    """However many there are: the page asks every two seconds."""
    with shared_live.client() as root:
        ids = [root.post("/tasks", json=lab(f"lab-{at}")).json()["id"] for at in "abc"]
    async with relayed(shared_live) as (server, asked), aiohttp.ClientSession() as client:
        front = Front(FrontOptions(str(server.make_url("")).rstrip("/")))
        async with TestServer(front.app()) as door:
            form = {"user": "root", "token": shared_live.tokens["root"]}
            reply = await client.post(door.make_url("/login"), data=form, allow_redirects=False)
            kept = {"Cookie": f"hai_studio={cookie_of(reply)}"}
            for path, requests in (
                ("/containers/live", ["tasks"]),
                ("/containers", ["environments", "images", "tasks"]),
            ):
                asked.clear()
                text = await (await client.get(door.make_url(path), headers=kept)).text()
                assert sorted(asked) == requests
                assert [one for one in ids if f'id="c-{one}"' in text] == ids
                assert text.count("<span>board:6006</span>") == len(ids)
    with shared_live.client() as root:
        for one in ids:
            root.post(f"/tasks/{one}/stop")


def test_what_can_not_be_is_told(studio: Studio) -> None:
    def run(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "hai.studio.main", *words]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    taken = run("--server", studio.live.url, "--port", str(studio.port))
    assert taken.returncode == 1
    assert "hai-studio: cannot listen on 127.0.0.1" in taken.stderr
    assert run("--server", "ftp://x").returncode == 2
    assert run("--server", studio.live.url, "--visitors", "0").returncode == 2
