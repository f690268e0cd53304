"""Studio in a browser while the platform, or Studio itself, is away: it says so, what was written
stays, and what is back is shown without loading the page again."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.acceptance.browser import Page
from tests.acceptance.conftest import MakeLive
from tests.acceptance.studio_site import Studio, fill, lab, log_in, running_studio, shows
from tests.live import Live
from tests.waiting import async_wait_until

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(400)]
WRITTEN = {"name": "written", "group": "hollow", "services": "web:8000=serve", "idle": "2h"}
LOOKS_AWAY = 5  # one every 2 s: the platform is away for 10 s


@pytest.fixture
def live(make_live: MakeLive) -> Live:
    return make_live(nodes=0, hollow_nodes=2)


@pytest.fixture
def studio(live: Live) -> Iterator[Studio]:
    with running_studio(live) as found:
        yield found


def start(live: Live, name: str) -> int:
    with live.client() as client:
        return int(client.post("/tasks", json=lab(name)).json()["id"])


async def looks(page: Page, times: int = LOOKS_AWAY) -> None:
    """The page has asked for news so often from now on."""
    wanted = _looks(page) + times
    await async_wait_until(lambda: _looks(page) >= wanted, what="looks for news")


def _looks(page: Page) -> int:
    return sum(url.endswith("/containers/live") for url in page.urls)


async def written(page: Page) -> dict[str, Any]:
    script = "Object.fromEntries(new FormData(document.querySelector('#start')))"
    found: dict[str, Any] = await page.run(script)
    return {name: found[name] for name in WRITTEN}


async def tells_when_the_platform_is_away(page: Page, live: Live) -> None:
    """The dashboard and the page of containers, each in its tab, for 10 s."""
    page.forget()
    live.kill()
    await shows(page, "The platform does not answer.", "document.querySelector('#away')")
    await shows(page, "what you wrote stays", "document.querySelector('#away')")
    await page.shows("no connection")
    await looks(page)
    assert await page.run("!document.querySelector('#away').hidden")
    assert await written(page) == WRITTEN
    await shows(page, "first", "document.querySelector('article')")  # what was known


async def test_what_is_away_is_told_and_comes_back(live: Live, studio: Studio, page: Page) -> None:
    one = start(live, "first")
    live.wait(one, "running")
    await log_in(page, studio, "root", live.tokens["root"])
    await page.has("#desk")
    await page.shows("nodes free")
    dashboard = page.session_id
    await page.run("void window.open('/containers')", by_hand=True)
    await page.attach("/containers")
    await page.has(f"#c-{one}")
    await looks(page, 2)
    assert set((await written(page)).values()) == {""}, "news choose nothing"
    await fill(page, **WRITTEN)
    await page.run("window.sameDocument = true")

    await tells_when_the_platform_is_away(page, live)
    assert await page.run("window.sameDocument")
    await tells_what_was_sent_in_vain(page)
    page.forget()
    live.start()
    two = start(live, "second")
    await page.has(f"#c-{two}")
    await page.shows("live")
    await shows(page, "The platform answers again. What you asked for meanwhile")
    await shows(page, "hollow", "document.querySelector('#capacity')")
    assert await page.run("document.querySelector('#away').hidden && window.sameDocument")
    assert await written(page) == WRITTEN
    await page.click("#start button")
    await shows(page, "written", "document.querySelector('#list')")

    await a_session_that_is_gone_is_told(page, studio, dashboard)


async def tells_what_was_sent_in_vain(page: Page) -> None:
    """The answer of a form is a page of its own, which has to come back, too."""
    await page.click("#start button")
    await shows(page, "no answer from")
    await shows(page, "Your dev containers are shown when the platform answers")
    assert await written(page) == WRITTEN
    await page.run("window.sameDocument = true")


async def a_session_that_is_gone_is_told(page: Page, studio: Studio, other_tab: str) -> None:
    """A Studio that has begun anew knows nobody: nothing is in sight but what was written."""
    await fill(page, **WRITTEN)
    await page.run("window.sameDocument = true")
    studio.close()
    await shows(page, "Studio does not answer.", "document.querySelector('#away')")
    studio.start()
    await shows(page, "You are not logged in any more", "document.querySelector('#away')")
    assert await page.run("document.querySelector('article') === null")
    assert await page.run("document.querySelector('#away a').target") == "_blank"
    here, page.session_id = page.session_id, other_tab
    await log_in(page, studio, "root", studio.live.tokens["root"])
    await page.has("#desk")
    page.session_id = here
    await shows(page, "second", "document.querySelector('#list')")
    assert await page.run("document.querySelector('#away').hidden && window.sameDocument")
    assert await written(page) == WRITTEN
