"""Heads of requests and answers on their way through the door: what stays, what is taken out.

Headers are pairs of bytes, names in lower case.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import quote

from hai.core.services import Service
from hai.core.task import Task
from hai.door.addresses import COOKIE, Entrance

Headers = list[tuple[bytes, bytes]]

HEAD_BYTES = 64 * 1024  # of an answer
_HOP_BY_HOP = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
# Said by us alone, or meant for somebody else.
_OURS = (b"x-forwarded-", b"x-hai-", b"x-real-ip", b"forwarded")
# An answer speaks for its own origin, not for the host that it shares with other ports.
_WIDE = frozenset(
    {b"strict-transport-security", b"alt-svc", b"clear-site-data", b"public-key-pins"}
)
_OUR_TOKEN = re.compile(rb"\s*bearer\s+hai[a-z]?_", re.IGNORECASE)
_STUDIO = "hai_studio"  # the cookie of Studio, which may share the host
_OUR_COOKIE = re.compile(rf"(__host-|__secure-)?({COOKIE}|{_STUDIO})", re.IGNORECASE)
_SAFE = "!$&'()*+,;=:@/~-._%"
_GUARDS: Headers = [
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"content-security-policy", b"frame-ancestors 'self'"),
]


@dataclass(frozen=True, slots=True)
class Asked:
    """A request: `target` is path and query as they came."""

    method: str
    target: bytes
    headers: Headers

    def all(self, name: bytes) -> list[str]:
        return [value.decode("latin-1") for key, value in self.headers if key == name]

    def one(self, name: bytes) -> str:
        """ "" if it is missing."""
        return next(iter(self.all(name)), "")

    @property
    def is_page(self) -> bool:
        return "text/html" in self.one(b"accept")


def cookies(asked: Asked, name: str) -> list[str]:
    """Values of all cookies of this name."""
    found = (part.strip().partition("=") for part in _cookie_parts(asked.headers))
    return [value for key, _, value in found if key == name]


def refusal_of(asked: Asked, entrance: Entrance, *, is_socket: bool = False) -> str:
    """Why a request with a good cookie is not the visitor's own; "" if it is. A page of another
    origin, which may be of another user's container, makes the browser send the cookie, too."""
    origins = asked.all(b"origin")
    if any(origin != entrance.origin for origin in origins) or (is_socket and not origins):
        return "it comes from a page of another origin"
    site = asked.one(b"sec-fetch-site")
    if site in ("", "same-origin", "none"):
        return ""
    is_visit = asked.method == "GET" and asked.one(b"sec-fetch-mode") == "navigate"
    if is_visit and asked.one(b"sec-fetch-dest") == "document":
        return ""
    return "it comes from a page of another origin"


def request_head(
    asked: Asked, entrance: Entrance, task: Task, service: Service, more: Headers
) -> bytes:
    """For one request on a connection of its own. `more`: what this service needs to know."""
    scheme = entrance.origin.partition("://")[0].encode()
    named = _named_by_connection(asked.headers)
    dropped = _HOP_BY_HOP | {b"cookie", b"expect"}
    if asked.one(b"transfer-encoding"):  # one account of where a body ends
        dropped |= {b"content-length"}
    kept: Headers = []
    for name, value in asked.headers:
        if name in dropped or name in named or name.startswith(_OURS):
            continue
        if name != b"authorization" or not (more or _OUR_TOKEN.match(value)):
            kept.append((name, value))
    own = [part for part in _cookie_parts(asked.headers) if not _OUR_COOKIE.match(part.strip())]
    if own:
        kept.append((b"cookie", ";".join(own).strip().encode("latin-1")))
    kept += [
        (b"x-forwarded-proto", scheme),
        (b"x-forwarded-host", entrance.host.encode()),
        *more,
    ]
    target = _rewritten(asked.target, task, service)
    return b"%s %s HTTP/1.1\r\n%s" % (asked.method.encode(), target, _lines(kept))


def ending(headers: Headers) -> bytes:
    """The end of a head, with what is for this connection alone."""
    return _lines(headers) + b"\r\n"


def answer_headers(headers: Iterable[tuple[bytes, bytes]]) -> Headers:
    """What the browser gets of an answer's headers."""
    given = [(name.lower(), value) for name, value in headers]
    named = _named_by_connection(given)
    kept: Headers = []
    for name, value in given:
        if name in _HOP_BY_HOP or name in named or name in _WIDE:
            continue
        if name == b"cross-origin-resource-policy" or name.startswith(b"access-control-"):
            continue
        if name == b"set-cookie":
            cookie = _own_cookie(value.decode("latin-1"))
            if cookie:
                kept.append((name, cookie.encode("latin-1")))
            continue
        kept.append((name, value))
    if all(name != b"cross-origin-opener-policy" for name, _ in kept):
        kept.append((b"cross-origin-opener-policy", b"same-origin"))
    return kept + _GUARDS


def answer_head(status: int, headers: Headers) -> bytes:
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = ""
    return b"HTTP/1.1 %d %s\r\n%s\r\n" % (status, phrase.encode(), _lines(headers))


def safe_path(text: str) -> str:
    """A path of this origin, or "/": what else could be written there leads elsewhere."""
    is_path = text.startswith("/") and not text.startswith(("//", "/\\"))
    return quote(text, safe=_SAFE + "?#") if is_path and text.isprintable() else "/"


def _own_cookie(text: str) -> str:
    """A cookie for this host alone; "" for one that would be taken for ours."""
    first, *rest = text.split(";")
    if _OUR_COOKIE.match(first.strip()):
        return ""
    kept = [part for part in rest if not part.strip().lower().startswith("domain")]
    return ";".join([first, *kept])


def _cookie_parts(headers: Headers) -> Iterator[str]:
    for name, value in headers:
        if name == b"cookie":
            yield from value.decode("latin-1").split(";")


def _named_by_connection(headers: Headers) -> frozenset[bytes]:
    values = (value for name, value in headers if name == b"connection")
    return frozenset(one.strip().lower() for value in values for one in value.split(b","))


def _rewritten(target: bytes, task: Task, service: Service) -> bytes:
    """Without the prefix that users know, where the service does not know it."""
    prefix = f"/{quote(task.user)}/{quote(task.name)}/{service.name}".encode()
    if not service.rewrite_uri or not target.startswith(prefix):
        return target
    rest = target[len(prefix) :]
    if rest[:1] not in (b"", b"/", b"?"):
        return target
    return rest if rest.startswith(b"/") else b"/" + rest


def _lines(headers: Headers) -> bytes:
    return b"".join(b"%s: %s\r\n" % pair for pair in headers)
