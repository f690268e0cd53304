"""Named SQL from queries/*.sql.

Each query starts with `-- name: <name>` and one comment line that says its purpose.
"""

import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

_NAME = re.compile(r"^-- name: (\w+)\n", re.MULTILINE)


def parse_queries(text: str) -> dict[str, bytes]:
    """Name -> SQL without comments, ready for psycopg; ValueError if a purpose is missing."""
    _, *parts = _NAME.split(text)
    queries: dict[str, bytes] = {}
    for name, body in zip(parts[::2], parts[1::2], strict=True):
        if not body.startswith("-- "):
            raise ValueError(f"query {name} does not say its purpose")
        if name in queries:
            raise ValueError(f"there are two queries named {name}")
        lines = (line for line in body.splitlines() if not line.lstrip().startswith("--"))
        queries[name] = "\n".join(lines).strip().rstrip(";").encode()
    return queries


@cache
def load_queries() -> Mapping[str, bytes]:
    """All named queries; read once per process."""
    queries: dict[str, bytes] = {}
    for file in sorted(files("hai.store").joinpath("queries").iterdir(), key=lambda f: f.name):
        if file.name.endswith(".sql"):
            for name, sql in parse_queries(file.read_text("utf-8")).items():
                if queries.setdefault(name, sql) is not sql:
                    raise ValueError(f"there are two queries named {name}")
    return queries
