"""Every error that HAI raises on purpose.

    HaiError                        code            exit  HTTP
    ├── InvalidInput                invalid_input    2    422
    ├── NotFound                    not_found        3    404
    ├── AuthRequired                auth_required    4    401
    ├── Denied                      denied           5    403
    │   ├── OverQuota               over_quota       5    403
    │   └── TooMany                 too_many         5    429
    ├── Conflict                    conflict         6    409
    │   └── NameInUse               name_in_use      6    409
    ├── Unreachable                 unreachable      7    502
    ├── TimedOut                    timeout          8    504
    ├── Unavailable (temporary)     unavailable      7    503
    └── PlatformError               platform_error   1    500

The two right-hand columns live in hai/cli/errors.py and hai/server/errors.py: this module knows
neither exit codes nor HTTP. A message says what happened and why; the hint says what to do next.
"""

# Runs on Python 3.8 too: hai.client inside a task's own interpreter needs it.
from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import ClassVar


class HaiError(Exception):
    """Root of all deliberate errors: a stable `code`, a one-line `message`, a `hint`, and data."""

    code: ClassVar[str] = "error"

    def __init__(
        self, message: str, *, hint: str = "", details: Mapping[str, object] | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.details: Mapping[str, object] = details or {}

    def __str__(self) -> str:
        return self.message


class InvalidInput(HaiError):
    """What was asked for cannot be understood or can never be granted."""

    code = "invalid_input"


class NotFound(HaiError):
    """No such task, user, group, node or file."""

    code = "not_found"


class AuthRequired(HaiError):
    """No token, or one that is unknown, expired or revoked."""

    code = "auth_required"


class Denied(HaiError):
    """The caller is known and may not do this."""

    code = "denied"


class OverQuota(Denied):
    """The request can never fit the caller's quota."""

    code = "over_quota"


class TooMany(Denied):
    """The caller holds as much of something open as one user may."""

    code = "too_many"


class Conflict(HaiError):
    """The thing is in a state, or was changed meanwhile, so that the request makes no sense."""

    code = "conflict"


class NameInUse(Conflict):
    """The user already has an unfinished task of that name."""

    code = "name_in_use"


class Unreachable(HaiError):
    """The server does not answer."""

    code = "unreachable"


class TimedOut(HaiError):
    """The caller's own time limit passed."""

    code = "timeout"


class Unavailable(HaiError):
    """A part that is needed is down now; the same request may work later."""

    code = "unavailable"

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        details: Mapping[str, object] | None = None,
        retry_after_seconds: float = 1.0,
    ) -> None:
        super().__init__(message, hint=hint, details=details)
        self.retry_after_seconds = retry_after_seconds


class PlatformError(HaiError):
    """Something that should not happen did: a broken data folder, a failed start, a bug."""

    code = "platform_error"


def _by_code(root: type[HaiError], found: dict[str, type[HaiError]]) -> dict[str, type[HaiError]]:
    found[root.code] = root
    for kind in root.__subclasses__():
        _by_code(kind, found)
    return found


KINDS = _by_code(HaiError, {})  # by code, for errors that come over a wire
