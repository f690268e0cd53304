"""Services of tasks through the door, over HTTP and WebSocket, with a service made by hand."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import httpx2
import pytest

from tests.acceptance.conftest import MakeLive
from tests.acceptance.door_site import ECHO, Site, code_of, door_settings, echo_site, refused
from tests.acceptance.tasks import stopped
from tests.conftest import PostgresServer, forget_settings, public_directory
from tests.live import Live, free_port
from tests.waiting import wait_until

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(240)]


FEW = {"HAI_DOOR__CONNECTIONS_PER_USER": "6"}


@pytest.fixture(scope="module")
def door_live(postgres_server: PostgresServer) -> Iterator[Live]:
    """A platform with a door below a host name."""
    with (
        public_directory() as directory,
        postgres_server.database() as url,
        closing(Live(directory, url, settings={**door_settings(), **FEW})) as live,
        pytest.MonkeyPatch.context() as patch,
    ):
        forget_settings(patch)
        live.bootstrap()
        live.start()
        live.add_user("bob")
        yield live


@pytest.fixture(scope="module")
def site(door_live: Live) -> Iterator[Site]:
    found = echo_site(door_live)
    yield found
    stopped(door_live, found.task)


@pytest.fixture
def make_port_live(make_live: MakeLive) -> Live:
    """A platform whose services have ports: whichever of these are free."""
    first = min(free_port(), 65_500)
    return make_live(settings={"HAI_DOOR__PORTS": f"{first}-{first + 20}"})


def names(reply: httpx2.Response) -> dict[str, str]:
    return {name.lower(): value for name, value in reply.headers.multi_items()}


def test_a_code_enters_once_and_its_cookie_from_then_on(site: Site) -> None:
    link = site.link()
    assert site.live.tokens["root"] not in link
    assert link.startswith(f"http://echo-{site.task}-root.apps.localhost:{site.door_port}/.hai/")
    code_of(link)
    with site.stranger(link) as stranger:
        assert stranger.get("/page").status_code == 403
    with site.visitor(link) as visitor:
        assert visitor.get("/page").text == "<p id=here>hello"
        again = visitor.get(site.entering)
        assert again.status_code == 403, "a code is good once"
        assert "set-cookie" not in again.headers
    with site.stranger(site.link()) as stranger:
        entered = stranger.get(site.entering + "&next=//evil.example/")
        cookie = entered.headers["set-cookie"]
        assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= set(cookie.split("; "))
        assert "domain" not in cookie.lower()
        assert entered.headers["location"] == "/"
        assert entered.headers["referrer-policy"] == "no-referrer"


def test_headers_that_are_for_the_platform_stay_there(site: Site) -> None:
    token = site.live.tokens["root"]
    with site.visitor() as visitor:
        visitor.headers["Cookie"] += "; own=1; hai_door_7=x; other=2"
        secret = visitor.headers["Cookie"].partition(";")[0].partition("=")[2]
        sent = {
            "Authorization": f"Bearer {token}",
            "X-Forwarded-For": "1.2.3.4",
            "X-HAI-User": "admin",
            "Connection": "X-Private, close",
            "X-Private": "yes",
            "TE": "trailers",
            "X-Kept": "yes",
        }
        told = visitor.get("/headers?a=1%2F2", headers=sent).json()
        assert told["query"] == "a=1%2F2"
        got = dict(told["headers"])
        assert got["cookie"] == "own=1; other=2"
        assert got["x-kept"] == "yes"
        assert got["host"] == got["x-forwarded-host"] == site.origin.partition("//")[2]
        gone = {"authorization", "x-forwarded-for", "x-hai-user", "x-private", "te"}
        assert not gone & set(got)
        assert token not in json.dumps(told)
        assert secret not in json.dumps(told)
        own = visitor.get("/headers", headers={"Authorization": "Basic b3duOm93bg=="}).json()
        assert dict(own["headers"])["authorization"] == "Basic b3duOm93bg==", "the service's own"


def test_an_answer_speaks_for_its_own_origin_alone(site: Site) -> None:
    with site.visitor() as visitor:
        reply = visitor.get("/answer")
        assert reply.headers.get_list("set-cookie") == ["own=1; Path=/"]
        found = names(reply)
        assert found["x-kept"] == "yes"
        assert found["cross-origin-resource-policy"] == "same-origin"
        assert "frame-ancestors 'self'" in found["content-security-policy"]
        gone = {"strict-transport-security", "access-control-allow-origin", "keep-alive"}
        assert not gone & set(found)


def test_bodies_stream_in_both_directions(site: Site) -> None:
    data = bytes(range(256)) * 4096 * 4  # 4 MiB
    with site.visitor() as visitor:
        told = visitor.post("/count", content=data).text
        assert told == f"{len(data)} {hashlib.sha256(data).hexdigest()}"
        pieces = (data[start : start + 100_000] for start in range(0, len(data), 100_000))
        told = visitor.post("/count", content=pieces).text
        assert told == f"{len(data)} {hashlib.sha256(data).hexdigest()}", "without a length"
        assert visitor.post("/echo", content=data).content == data
        assert visitor.get("/many?128").content == b"m" * 65536 * 128
        assert visitor.head("/page").status_code == 200
        go = Path(site.live.work_dir) / "go"
        with visitor.stream("GET", "/slow") as reply:
            parts = reply.iter_raw()
            assert next(parts) == b"first", "it comes before the answer is whole"
            go.touch()
            assert b"".join(parts) == b"second"


def test_what_a_visitor_does_not_take_is_not_read(site: Site) -> None:
    """128 MiB are on offer; what is under way is what sockets and windows hold."""
    sent = Path(site.live.work_dir) / "sent"
    looks: list[str] = []

    def stands_still() -> bool:
        looks.append(sent.read_text())
        return looks[-1] != "" and looks[-30:].count(looks[-1]) == 30

    with site.visitor() as visitor, visitor.stream("GET", "/many?2048") as reply:
        parts = reply.iter_raw()
        size = len(next(parts))
        wait_until(stands_still, what="a service that waits")
        assert int(looks[-1]) * 65536 < 64 * 2**20
        assert site.live.detail(site.task)["state"] == "running", "nobody else waits"
        assert size + sum(len(part) for part in parts) == 2048 * 65536


def test_connections_of_a_user_are_bounded(site: Site) -> None:
    with site.visitor() as visitor, ExitStack() as stack:
        sockets = [stack.enter_context(site.socket(visitor)) for _ in range(6)]
        sockets[-1].recv()
        told = visitor.get("/page")
        assert told.status_code == 503
        assert "Too many connections" in told.text
        assert told.headers["retry-after"]
        assert refused(site, visitor) == 503
        sockets[0].close()
        wait_until(lambda: visitor.get("/page").is_success, what="a place")


@pytest.mark.campaign
def test_a_hundred_megabytes_come_whole(site: Site) -> None:
    data = bytes(range(256)) * 4096 * 100
    with site.visitor() as visitor:
        told = visitor.post("/count", content=data).text
        assert told == f"{len(data)} {hashlib.sha256(data).hexdigest()}"
        assert len(visitor.get("/many?1600").content) == 1600 * 65536


def test_websockets_are_the_browser_s_and_the_service_s(site: Site) -> None:
    with site.visitor() as visitor, site.socket(visitor, Authorization="Bearer hai_x") as socket:
        got = dict(json.loads(socket.recv()))
        assert "hai_door" not in json.dumps(got)
        assert "authorization" not in got
        for size in (1, 70_000, 900_000):
            socket.send(b"x" * size)
            assert socket.recv() == b"x" * size
        socket.send("words")
        assert socket.recv() == "words"


def listing_site(live: Live, user: str) -> Site:
    """Of an account that may not run the platform's Python."""
    port = free_port()
    live.script("bobs.sh", f"exec /usr/bin/python3 -m http.server -b 127.0.0.1 {port}\n")
    task = live.submit(user, name="bobs.sh", services=[{"name": "echo", "port": port}])
    live.wait(task, "running")
    return Site(live, task, "echo", user)


def test_who_has_no_session_here_is_refused(site: Site) -> None:
    other = echo_site(site.live, "other.py")
    bobs = listing_site(site.live, "bob")
    with site.visitor() as visitor, other.stranger(other.link()) as elsewhere:
        elsewhere.headers["Cookie"] = visitor.headers["Cookie"]
        assert elsewhere.get("/page").status_code == 403, "it is for one origin"
        assert refused(other, elsewhere) == 403
    assert site.ticket("bob").status_code == 403, "somebody else's"
    with bobs.visitor() as bob, site.stranger(site.link()) as there:
        there.headers["Cookie"] = bob.headers["Cookie"]
        assert there.get("/page").status_code == 403
        assert refused(site, there) == 403
        code = bobs.link().partition("?")[2]
        assert there.get(f"/.hai/enter?{code}").status_code == 403, "a code is for one origin, too"
    with site.stranger(site.link()) as nobody:
        assert refused(site, nobody) == 403
        unknown = site.origin.partition("//")[2].replace(f"-{site.task}-", "-99999-")
        told = nobody.get("/page", headers={"Host": unknown})
        assert (told.status_code, told.text) == (403, nobody.get("/page").text), "nothing is told"
    for one in (other, bobs):
        stopped(site.live, one.task)


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://echo-1-eve.apps.localhost"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"},
    ],
)
def test_another_origin_s_page_gets_nothing_with_the_cookie(
    site: Site, headers: dict[str, str]
) -> None:
    with site.visitor() as visitor:
        assert visitor.get("/page", headers=headers).status_code == 403
        assert visitor.post("/count", headers=headers, content=b"x").status_code == 403
        assert visitor.get("/page", headers={"Origin": site.origin}).status_code == 200
        top = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
        assert visitor.get("/page", headers={**top, "Sec-Fetch-Dest": "document"}).is_success
        if "Origin" in headers:
            assert refused(site, visitor, headers["Origin"]) == 403
        assert refused(site, visitor, "") == 403, "browsers tell where a WebSocket is from"


def test_a_session_ends_with_the_token_or_by_leaving(site: Site) -> None:
    live = site.live
    with live.client() as client:
        made = client.post("/users/root/tokens", json={"label": "door"}).json()
        asked = {"service": "echo"}
        headers = {"Authorization": f"Bearer {made['token']}"}
        reply = client.post(f"/tasks/{site.task}/door", json=asked, headers=headers)
        with site.visitor(reply.json()["url"]) as visitor:
            assert visitor.get("/page").status_code == 200
            assert client.delete(f"/tokens/{made['id']}").is_success
            gone = httpx2.Response(200)
            while gone.status_code == 200:  # an answer counts for two seconds
                gone = visitor.get("/page")
            assert gone.status_code == 403
    with site.visitor() as visitor:
        assert visitor.post("/.hai/leave").status_code == 200
        assert visitor.get("/page").status_code == 403


def test_a_session_ends_with_its_task(site: Site) -> None:
    live = site.live
    ended = echo_site(live, "ends.py")
    with ended.visitor() as visitor, ended.socket(visitor) as socket:
        socket.recv()
        assert visitor.get("/page").status_code == 200
        stopped(live, ended.task)
        assert visitor.get("/page").status_code in (403, 503)
        with pytest.raises(Exception, match="close"):
            socket.recv(timeout=60)
    assert ended.ticket().status_code == 409


def test_names_lead_to_the_origin_and_the_api_takes_no_cookie(site: Site) -> None:
    live = site.live
    with site.visitor() as visitor, httpx2.Client(base_url=live.url) as client:
        found = client.get("/root/echo.py/echo/page?x=1")
        assert found.status_code == 307
        assert found.headers["location"] == f"{site.origin}/root/echo.py/echo/page?x=1"
        assert client.get("/root/echo.py/nothing/").status_code == 404
        assert client.get("/bob/echo.py/echo/").status_code == 404
        cookie = {"Cookie": visitor.headers["Cookie"]}
        assert client.get("/api/v1/whoami", headers=cookie).status_code == 401
        assert client.get("/api/v1/nothing/at/all").status_code == 404


def test_a_prefix_is_taken_away_where_the_service_does_not_know_it(site: Site) -> None:
    one = echo_site(site.live, "prefix.py", rewrite_uri=True)
    with one.visitor() as visitor:
        told = visitor.get("/root/prefix.py/echo/headers?b=2").json()
        assert (told["path"], told["query"]) == ("/headers", "b=2")
    stopped(site.live, one.task)


def test_what_does_not_answer_is_told(site: Site) -> None:
    live = site.live
    live.script("silent.py", "import time\nprint('up', flush=True)\ntime.sleep(600)\n")
    service = {"name": "echo", "port": free_port()}
    task = live.submit(name="silent.py", services=[service])
    live.wait(task, "running")
    silent = Site(live, task, "echo")
    reply = silent.ticket()
    assert reply.status_code == 503
    assert "refused" in reply.json()["message"]
    with live.client() as client:
        named = client.post(f"/tasks/{task}/door", json={"service": "other"})
        assert named.status_code == 404
    stopped(live, task)


def test_the_server_comes_back_and_the_session_goes_on(site: Site) -> None:
    live = site.live
    with site.visitor() as visitor:
        assert visitor.get("/page").status_code == 200
        live.kill()
        live.start()
        assert visitor.get("/page").status_code == 200
        with site.socket(visitor) as socket:
            socket.recv()


def test_ports_where_there_is_no_host_name(make_port_live: Live) -> None:
    live = make_port_live
    live.script("echo.py", ECHO)
    sites = []
    for name in ("one.py", "two.py"):
        port = free_port()
        live.script(name, ECHO)
        task = live.submit(
            name=name, parameters=str(port), services=[{"name": "echo", "port": port}]
        )
        live.wait(task, "running")
        sites.append(Site(live, task, "echo"))
    one, two = sites
    with one.visitor() as first, two.visitor() as second:
        assert one.origin != two.origin
        assert (
            first.headers["Cookie"].partition("=")[0] != second.headers["Cookie"].partition("=")[0]
        )
        assert first.get("/page").status_code == 200
        second.headers["Cookie"] += "; " + first.headers["Cookie"]  # as browsers do: one host
        assert second.get("/page").status_code == 200
        assert "hai_door" not in second.get("/headers").text
        assert first.get("/page", headers={"Origin": two.origin}).status_code == 403
        assert first.get("/page", headers={"Host": "rebound.example"}).status_code == 403
        live.kill()
        live.start()

        def is_back() -> bool:
            try:
                return first.get("/page").status_code == 200
            except httpx2.ConnectError:  # the port is opened after a look into the database
                return False

        wait_until(is_back, what="the door")
