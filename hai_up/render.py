"""Templates to text. A name that a template uses and nobody gives is an error."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hai.errors import PlatformError


def toml_value(value: object) -> str:
    """One TOML value: text, number, truth, or a list or a table of them."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, list):
        return f"[{', '.join(toml_value(item) for item in value)}]"
    if isinstance(value, Mapping):
        pairs = (f"{toml_value(str(key))} = {toml_value(item)}" for key, item in value.items())
        return "{" + ", ".join(pairs) + "}"
    # A JSON string is a TOML basic string but for DEL, which TOML wants escaped.
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007F")


def json_value(value: object) -> str:
    """JSON is YAML; keys in the order that they are given."""
    return json.dumps(value, ensure_ascii=False)


def compose_value(value: object) -> str:
    """One value of a compose file, which replaces $NAME and takes $$ for a $."""
    return json_value(value).replace("$", "$$")


def sql_value(value: object) -> str:
    """A text literal of standard SQL. ValueError for what none can hold."""
    text = str(value)
    if any(ord(char) < 32 for char in text):
        raise ValueError("control characters cannot be part of a row")
    return "'" + text.replace("'", "''") + "'"


def template_dir() -> Path:
    """Inside the installed package, or beside it in a source checkout."""
    package = Path(__file__).resolve().parent
    for candidate in (package / "templates", package.parent / "templates"):
        if candidate.is_dir():
            return candidate
    raise PlatformError("the templates of hai-up are missing", hint="install hai-platform again")


def render(name: str, **values: Any) -> str:
    """The text of templates/<name>.

    Raises PlatformError when the server extra, which brings the template engine, is missing.
    """
    try:
        import jinja2
    except ImportError as error:
        raise missing_server_extra() from error
    environment = jinja2.Environment(  # noqa: S701 - no HTML here
        loader=jinja2.FileSystemLoader(template_dir()),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(
        toml=toml_value, json=json_value, sql=sql_value, compose=compose_value
    )
    return environment.get_template(name).render(**values)


def read_template(name: str) -> str:
    """The text of templates/<name> as it is: a script."""
    return (template_dir() / name).read_text("utf-8")


def missing_server_extra() -> PlatformError:
    return PlatformError(
        "only the client is installed here: the server's libraries are missing",
        hint="pip install 'hai-platform[server,embedded]'",
    )
