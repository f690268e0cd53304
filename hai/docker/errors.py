"""What the engine's refusals mean, as HaiError."""

from hai.errors import Conflict, Denied, HaiError, InvalidInput, NotFound, Unavailable

_MESSAGE_CHARACTERS = 600


class EngineTrouble(Unavailable):
    """The engine tried and failed (HTTP 500): `message` is what it says."""


def refusal(method: str, path: str, status: int, message: str) -> HaiError:
    """The error for an answer of HTTP status >= 400. An engine says 500 of much that will never
    work, too: whoever asked has to look at the words."""
    told = " ".join(message.split())[:_MESSAGE_CHARACTERS] or f"HTTP status {status}"
    details = {"status": status, "method": method, "path": path}
    kind = _KINDS.get(status, InvalidInput if status < 500 else EngineTrouble)
    return kind(told, details=details)


_KINDS: dict[int, type[HaiError]] = {403: Denied, 404: NotFound, 409: Conflict, 503: Unavailable}
