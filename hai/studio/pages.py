"""The pages, without anything from elsewhere: no fonts, scripts or images of other hosts."""

from collections.abc import Mapping
from html import escape
from importlib.resources import files
from pathlib import Path

import textual_serve

_SERVE = Path(textual_serve.__file__).parent / "static"
_OURS = files("hai.studio") / "static"
# What a browser may load, and from where. Nothing else of textual-serve's is served.
STATIC: Mapping[str, tuple[str, str]] = {
    "textual.js": ("serve:js/textual.js", "text/javascript"),
    "xterm.css": ("serve:css/xterm.css", "text/css"),
    "studio.js": ("ours:studio.js", "text/javascript"),
    "containers.js": ("ours:containers.js", "text/javascript"),
    "containers.css": ("ours:containers.css", "text/css"),
    "studio.css": ("ours:studio.css", "text/css"),
}

_PLACES = (("/", "Dashboard"), ("/containers", "Containers"))
_CURRENT = ' aria-current="page"'


def static(name: str) -> tuple[bytes, str] | None:
    """Content and type of a file that pages refer to."""
    if name not in STATIC:
        return None
    where, kind = STATIC[name]
    place, _, path = where.partition(":")
    content = (_SERVE / path).read_bytes() if place == "serve" else (_OURS / path).read_bytes()
    return content, kind


def headers(host: str) -> dict[str, str]:
    """For every reply. Scripts and sockets of our own only; styles inline, as xterm sets them."""
    policy = "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data:",
            "font-src 'self'",
            f"connect-src 'self' ws://{host} wss://{host}",
            "frame-src 'self'",
            "form-action 'self'",
            "base-uri 'none'",
            "frame-ancestors 'self'",
        )
    )
    return {
        "Content-Security-Policy": policy,
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "SAMEORIGIN",
        "Referrer-Policy": "same-origin",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cache-Control": "no-store",
    }


def login_page(message: str = "", user: str = "") -> str:
    note = f'<p class="note" role="alert">{escape(message)}</p>' if message else ""
    return page(
        "HAI Studio: log in",
        f"""<main class="login"><h1>HAI Studio</h1>{note}
<form method="post" action="/login" autocomplete="off">
<label>User <input name="user" value="{escape(user)}" required autofocus></label>
<label>Token <input name="token" type="password" required></label>
<button type="submit">Log in</button></form>
<p class="hint">The token is the one in ~/.hai/conf.yaml; it is kept only while you are here.</p>
</main>""",
    )


def desk_page(user: str) -> str:
    """A bar with the name and the way out; the terminal measures its window, so it has its own."""
    return page(
        f"HAI Studio: {user}",
        f"""{bar(user, "/")}
<iframe id="desk" src="/terminal" title="dashboard"></iframe>""",
        scripts=("studio.js",),
    )


def bar(user: str, here: str) -> str:
    """What is on top of every page of somebody who is logged in. `here`: the page's own address."""
    links = "".join(
        f'<a href="{href}"{_CURRENT if href == here else ""}>{name}</a>' for href, name in _PLACES
    )
    return f"""<div id="bar"><nav><strong>HAI Studio</strong>{links}</nav>
<form method="post" action="/logout"><span>{escape(user)}</span>
<button type="submit">Log out</button>
<button type="submit" formaction="/logout-everywhere">Everywhere</button></form></div>"""


def terminal_page(websocket_url: str) -> str:
    return page(
        "HAI Studio",
        f"""<div id="closed" role="alert">This session has ended.
<a href="/" target="_top">Begin again</a></div>
<div id="terminal" class="textual-terminal" data-session-websocket-url="{escape(websocket_url)}"
 data-font-size="14"></div>""",
        scripts=("textual.js", "studio.js"),
        styles=("xterm.css",),
    )


def page(
    title: str,
    body: str,
    scripts: tuple[str, ...] = (),
    styles: tuple[str, ...] = (),
    head: str = "",
) -> str:
    """`title` is text; `body` and `head` are HTML."""
    links = "".join(f'<link rel="stylesheet" href="/static/{n}">' for n in (*styles, "studio.css"))
    loads = "".join(f'<script src="/static/{name}"></script>' for name in scripts)
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title>{links}{loads}{head}</head><body>{body}</body></html>"
    )
