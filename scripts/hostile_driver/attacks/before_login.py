"""What somebody without a token can do to server and Studio."""

from collections.abc import Callable

from scripts.chaos_driver.site import LocalSite
from scripts.chaos_driver.waiting import Violation
from scripts.hostile_driver.attacks import ATTACKER, Scene, local
from scripts.hostile_driver.site import has_no_studio, studio_url
from scripts.hostile_driver.wire import crowd, dialled, heard, pour, wait_until_closed

MIB = 2**20
HALF_REQUESTS = 2000
GONE_SECONDS = 60.0  # they have 10; the machine may be busy
_HEADS = {
    "header": (b"GET /health HTTP/1.1\r\nHost: hai\r\nX-Never-Ends: ", b"a" * 65536),
    "headers": (b"GET /health HTTP/1.1\r\nHost: hai\r\n", b"X-Many: a\r\n" * 6000),
    "url": (b"GET /", b"a" * 65536),
}


def endless_heads(url: str) -> str:
    """Each of them up to 186 MiB; the other side has to hang up within 8."""
    most = 0
    for name, (start, piece) in _HEADS.items():
        with dialled(url) as one:
            one.sendall(start)
            sent, _ = pour(one, piece, 186 * MIB)
            most = max(most, sent)
            if sent > 8 * MIB:
                raise Violation(f"{sent / MIB:.0f} MiB of an endless {name} were taken")
    return f"no more than {most / MIB:.1f} MiB of {len(_HEADS)} heads without an end were taken"


def half_requests(url: str) -> str:
    """They stay open until the other side ends them."""
    with crowd(url, HALF_REQUESTS, b"GET /hea") as sockets:
        left = wait_until_closed(sockets, GONE_SECONDS)
    if left:
        raise Violation(f"{left} of {HALF_REQUESTS} half requests stay")
    return f"none of {HALF_REQUESTS} half requests stays"


def _of_server(attempt: Callable[[str], str]) -> Callable[[Scene[LocalSite]], str]:
    return lambda scene: attempt(scene.site.url)


def _of_studio(attempt: Callable[[str], str]) -> Callable[[Scene[LocalSite]], str]:
    return lambda scene: attempt(studio_url(scene.site))


_HEAD_PROMISE = "the head of a request is bounded"
_HALF_PROMISE = "half requests do not stay and lock nobody out"
local("endless-heads", _HEAD_PROMISE)(_of_server(endless_heads))
local("half-requests", _HALF_PROMISE)(_of_server(half_requests))
local("studio-endless-heads", _HEAD_PROMISE, has_no_studio)(_of_studio(endless_heads))
local("studio-half-requests", _HALF_PROMISE, has_no_studio)(_of_studio(half_requests))


@local("bodies-before-the-token", "nothing of a body is read before the token is looked at")
def bodies_before_the_token(scene: Scene[LocalSite]) -> str:
    """200 at once, which announce as much as is allowed and send nothing of it; then one in
    chunks without an end."""
    head = b"POST /api/v1/tasks HTTP/1.1\r\nHost: hai\r\nAuthorization: Bearer hai_no\r\n"
    refused = 0
    with crowd(scene.site.url, 200, head + b"Content-Length: 1000000\r\n\r\n") as sockets:
        for one in sockets:
            one.settimeout(30)
            refused += one.recv(65536).startswith(b"HTTP/1.1 401 ")
    if refused != 200:
        raise Violation(f"{200 - refused} of 200 were not told 401 before their body")
    with dialled(scene.site.url) as one:
        one.sendall(head + b"Transfer-Encoding: chunked\r\n\r\n")
        sent, said = pour(one, b"10000\r\n" + b"a" * 65536 + b"\r\n", 186 * MIB)
    if sent > 16 * MIB or (said and b" 401 " not in said[:20]):
        raise Violation(f"{sent / MIB:.0f} MiB of an unknown body were taken: {said[:60]!r}")
    return f"200 were told 401 before their bodies; {sent / MIB:.1f} MiB of an endless one went"


@local("bodies-too-large", "a body is bounded, with a token too")
def bodies_too_large(scene: Scene[LocalSite]) -> str:
    token = scene.tokens[ATTACKER].encode()
    head = b"POST /api/v1/tasks HTTP/1.1\r\nHost: hai\r\nAuthorization: Bearer " + token
    with dialled(scene.site.url) as one:
        one.sendall(head + b"\r\nTransfer-Encoding: chunked\r\n\r\n")
        sent, _ = pour(one, b"10000\r\n" + b" " * 65536 + b"\r\n", 186 * MIB)
    if sent > 16 * MIB:
        raise Violation(f"{sent / MIB:.0f} MiB of one body were taken")
    with dialled(scene.site.url) as one:
        one.sendall(head + b"\r\nContent-Length: 999999999999\r\n\r\n")
        if not heard(one).startswith(b"HTTP/1.1 413 "):
            raise Violation("a body of a terabyte is not refused")
    return f"no more than {sent / MIB:.1f} MiB of a body without an end were taken"


@local("forged-workers", "nobody speaks for a worker without its token")
def forged_workers(scene: Scene[LocalSite]) -> str:
    head = (
        b"POST /api/v1/agent/sync HTTP/1.1\r\nHost: hai\r\nAuthorization: Bearer haiw_no\r\n"
        b"X-HAI-Worker: 1.1.0\r\nContent-Length: 900000\r\n\r\n"
    )
    with dialled(scene.site.url) as one:
        one.sendall(head)
        said = heard(one)
    if b" 401 " not in said[:20]:
        raise Violation(f"a forged worker is told {said[:60]!r}")
    return "401 before its body"
