"""What the validation library finds wrong, in plain words that name the field."""

from collections.abc import Mapping
from typing import Any

_WORDS = {
    "missing": "is missing",
    "extra_forbidden": "is no known key",
    "string_type": "must be text",
    "string_too_short": "must not be empty",
    "string_too_long": "is too long: at most {max_length} characters are possible",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "int_parsing_size": "must be a smaller number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "dict_type": "must be a mapping",
    "model_type": "must be a mapping",
    "model_attributes_type": "must be a mapping",
    "list_type": "must be a list",
    "literal_error": "must be {expected}",
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le:,}",
}
_SOURCES = ("body", "query", "path")


def complaint(error: Mapping[str, Any]) -> str:
    """One line for one of pydantic's errors (their `type`, `loc`, `msg` and `ctx`)."""
    kind = str(error["type"])
    loc = list(error["loc"])
    if kind == "json_invalid":
        return "the body is no JSON"
    source = loc.pop(0) if loc[:1] and loc[0] in _SOURCES else "body"
    where = ".".join(str(part) for part in loc)
    if kind in _WORDS:
        return f"{where or f'the {source}'} {_WORDS[kind].format(**error.get('ctx', {}))}"
    message = str(error["msg"]).removeprefix("Value error, ")
    return f"{where}: {message}" if where else message
