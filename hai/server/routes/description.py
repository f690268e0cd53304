"""/docs: /openapi.json for people. One page without scripts; nothing on it comes from elsewhere."""

from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

router = APIRouter(include_in_schema=False)

_HEADERS = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}
_HEAD = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>HAI: the API</title>
<meta name="viewport" content="width=device-width">
<style>
  body { font: 16px/1.5 sans-serif; max-width: 50em; margin: 2em auto; padding: 0 1em }
  dt { margin-top: 1em }
  code { font-weight: bold }
  small { display: block }
</style>
"""


@router.get("/docs")
async def docs(request: Request) -> HTMLResponse:
    return HTMLResponse("\n".join(_page(request.app.openapi())), headers=_HEADERS)


def _page(description: Mapping[str, Any]) -> Iterator[str]:
    yield _HEAD
    yield f"<h1>HAI {escape(description['info']['version'])}: the API</h1>"
    yield (
        "<p>JSON over HTTP. Routes marked * want the header <code>Authorization: Bearer TOKEN"
        "</code>. The shapes of bodies and replies are in "
        '<a href="/openapi.json">/openapi.json</a>.</p>'
    )
    sections: dict[str, list[str]] = {}
    for path, methods in description["paths"].items():
        for method, route in methods.items():
            section = sections.setdefault(route["tags"][0], [])
            section.extend(_route(f"{method.upper()} {path}", route))
    for tag, lines in sections.items():
        yield from (f"<h2>{escape(tag)}</h2>", "<dl>", *lines, "</dl>")


def _route(name: str, route: Mapping[str, Any]) -> Iterator[str]:
    mark = " *" if route.get("security") else ""
    yield f"<dt><code>{escape(name)}</code>{mark}</dt>"
    yield f"<dd>{escape(route.get('description') or route['summary'])}"
    parameters = route.get("parameters", ())
    for place in ("query", "header"):
        words = [escape(item["name"]) for item in parameters if item["in"] == place]
        if words:
            yield f"<small>{place}: {', '.join(words)}</small>"
    yield "</dd>"
