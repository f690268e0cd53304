"""What the API server's refusals mean, as HaiError."""

from collections.abc import Mapping
from typing import Any

from hai.errors import (
    AuthRequired,
    Conflict,
    Denied,
    HaiError,
    InvalidInput,
    NotFound,
    OverQuota,
    Unavailable,
)
from hai.kubernetes.paths import PathTarget, target_of

RETRY_AFTER_SECONDS = 1.0  # where the server names no time
_RETRY_AFTER_AT_MOST_SECONDS = 300.0
_MESSAGE_CHARACTERS = 1000

_VERBS = {
    "GET": "get",
    "LIST": "list",
    "WATCH": "watch",
    "POST": "create",
    "PATCH": "patch",
    "PUT": "update",
    "DELETE": "delete",
}


class AlreadyExists(Conflict):
    """An object of that name is there already."""


class Expired(Conflict):
    """The resource version or the list's continuation is too old: list again (HTTP 410)."""


def refusal(
    verb: str,
    path: str,
    status: int,
    body: Mapping[str, Any],
    retry_after: str | None = None,
) -> HaiError:
    """The error for an answer of HTTP status >= 400.

    verb: the HTTP method, or LIST or WATCH; body: a Kubernetes `Status`, or empty; retry_after: the
    header's seconds.
    """
    target = target_of(path)
    told = str(body.get("message") or f"HTTP status {status}")[:_MESSAGE_CHARACTERS]
    details = {"status": status, "reason": body.get("reason", ""), "path": path}
    if status == 401:
        return AuthRequired(
            f"the Kubernetes API server does not accept the credentials: {told}",
            hint="check the user of the kubeconfig: kubectl auth can-i --list",
            details=details,
        )
    if status == 403:
        return _denied(_VERBS.get(verb, verb.lower()), target, told, details)
    if status == 429 or status >= 500:
        if retry_after is not None:
            details["retry_after_seconds"] = seconds_of(retry_after)
        return Unavailable(
            f"the Kubernetes API server cannot {_VERBS.get(verb, verb.lower())} {target}: {told}",
            hint="the same request may work later",
            details=details,
            retry_after_seconds=seconds_of(retry_after),
        )
    kind = _KINDS.get(status, InvalidInput)
    if status == 409 and body.get("reason") == "AlreadyExists":
        kind = AlreadyExists
    return kind(f"cannot {_VERBS.get(verb, verb.lower())} {target}: {told}", details=details)


_KINDS: Mapping[int, type[HaiError]] = {404: NotFound, 409: Conflict, 410: Expired}


def _denied(verb: str, target: PathTarget, told: str, details: Mapping[str, object]) -> HaiError:
    if "exceeded quota" in told:
        return OverQuota(
            f"cannot {verb} {target}: {told}",
            hint=f"kubectl describe resourcequota -n {target.namespace}",
            details=details,
        )
    where = f" -n {target.namespace}" if target.namespace else ""
    return Denied(
        f"the Kubernetes API server does not let this user {verb} {target}: {told}",
        hint=f"check with: kubectl auth can-i {verb} {target.full_resource}{where}",
        details={**details, "verb": verb, "resource": target.full_resource},
    )


def seconds_of(retry_after: str | None) -> float:
    """The header Retry-After, which Kubernetes gives in whole seconds, within bounds."""
    try:
        seconds = float(retry_after or RETRY_AFTER_SECONDS)
    except ValueError:  # a date: Kubernetes sends none, a proxy may
        return RETRY_AFTER_SECONDS
    if not seconds >= 0:  # also not a number
        return RETRY_AFTER_SECONDS
    return min(seconds, _RETRY_AFTER_AT_MOST_SECONDS)
