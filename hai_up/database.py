"""The platform's PostgreSQL: a given one, or our own in the data folder."""

from typing import Protocol

from hai_up.layout import Layout


class PlatformDatabase(Protocol):
    """`kind` is "given" or "embedded"."""

    kind: str

    def start(self) -> str:
        """Make it answer; its URL. Idempotent."""

    def stop(self) -> None:
        """Idempotent."""

    def is_running(self) -> bool: ...


class GivenDatabase:
    """Somebody else's server, by URL: neither started nor stopped here."""

    kind = "given"

    def __init__(self, url: str) -> None:
        self._url = url

    def start(self) -> str:
        return self._url

    def stop(self) -> None:
        """Others may use it."""

    def is_running(self) -> bool:
        import psycopg

        try:
            psycopg.connect(self._url, connect_timeout=3).close()
        except psycopg.Error:
            return False
        return True


class OwnDatabase:
    """PostgreSQL on a socket inside the data folder."""

    kind = "embedded"

    def __init__(self, layout: Layout) -> None:
        from hai_up.postgres import EmbeddedPostgres

        self._postgres = EmbeddedPostgres(layout.root)

    def start(self) -> str:
        return self._postgres.start()

    def stop(self) -> None:
        self._postgres.stop()

    def is_running(self) -> bool:
        return self._postgres.status().ready


def database_of(layout: Layout, url: str) -> PlatformDatabase:
    return GivenDatabase(url) if url else OwnDatabase(layout)
