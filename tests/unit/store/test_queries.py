"""The loader of named SQL."""

import pytest

from hai.store.queries import load_queries, parse_queries

TEXT = """
-- name: one
-- What it is for.
SELECT 1
-- a remark with 100 %
  FROM x;

-- name: two
-- Another.
SELECT 2;
"""


def test_queries_are_found_by_name_without_comments() -> None:
    assert parse_queries(TEXT) == {"one": b"SELECT 1\n  FROM x", "two": b"SELECT 2"}


def test_a_query_says_its_purpose() -> None:
    with pytest.raises(ValueError, match="two does not say its purpose"):
        parse_queries(TEXT.replace("-- Another.\n", ""))


def test_names_are_used_once() -> None:
    with pytest.raises(ValueError, match="two queries named one"):
        parse_queries(TEXT.replace("two", "one"))


def test_all_files_are_loaded() -> None:
    assert {"save_changes", "events", "user", "nodes", "ping"} <= set(load_queries())
