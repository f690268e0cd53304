"""The one table from error codes to HTTP status."""

from collections.abc import Mapping

STATUS: Mapping[str, int] = {
    "invalid_input": 422,
    "not_found": 404,
    "auth_required": 401,
    "denied": 403,
    "over_quota": 403,
    "too_many": 429,
    "conflict": 409,
    "name_in_use": 409,
    "unreachable": 502,
    "timeout": 504,
    "unavailable": 503,
    "platform_error": 500,
    "error": 500,
}
