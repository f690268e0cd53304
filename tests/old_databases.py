"""Databases of earlier releases with tasks in them: tests/databases."""

from pathlib import Path

import psycopg

_FOLDER = Path(__file__).parent / "databases"


def fill(url: str, name: str, work: Path, *, user: str = "root", uid: int = 0) -> None:
    """Make an empty database what it was; its admin becomes this user."""
    text = (_FOLDER / f"{name}.sql").read_text()
    text = text.replace("/OLD-WORK", str(work)).replace("'root'", f"'{user}'")
    text = text.replace(f"('{user}', 'admin', 0, true", f"('{user}', 'admin', {uid}, true")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(text.encode())
