"""A connection of its own for a dump or a load, and PostgreSQL's errors in our words."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import Connection

from hai.errors import PlatformError, Unavailable
from hai.store.database import connection_settings, first_line


@contextmanager
def connected(url: str) -> Iterator[Connection[Any]]:
    """In autocommit; closed at the end."""
    settings = {**connection_settings(url), "application_name": "hai-transfer"}
    try:
        with psycopg.connect(**settings) as connection:
            yield connection
    except psycopg.OperationalError as error:
        raise Unavailable(
            f"the database does not answer: {first_line(error)}",
            hint="see that PostgreSQL is running: hai-up status",
        ) from error
    except psycopg.Error as error:
        raise PlatformError(
            f"the database refused a step: {first_line(error)}",
            hint="it is as it was before; see PostgreSQL's log",
        ) from error
