"""Answers to browsers, and the forms that they send."""

import asyncio
from collections.abc import Mapping

from aiohttp import web

from hai.errors import HaiError
from hai.schema.http_status import STATUS

_FORM_SECONDS = 10.0


def html(text: str, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(text=text, status=status, content_type="text/html", headers=headers)


def status_of(error: HaiError | None) -> int:
    """Of a page that tells an error, or none."""
    return 200 if error is None else STATUS.get(error.code, 500)


def seen(place: str) -> web.Response:
    """What was asked for is done: the browser goes on to a page that can be loaded again."""
    return web.Response(status=303, headers={"Location": place})


async def form_of(request: web.Request) -> Mapping[str, str]:
    """The fields of a form, which has to come in a bounded time; files are no fields."""
    try:
        async with asyncio.timeout(_FORM_SECONDS):
            form = await request.post()
    except TimeoutError:
        raise web.HTTPRequestTimeout(text="the form did not come whole in time\n") from None
    return {name: value.strip() for name, value in form.items() if isinstance(value, str)}
