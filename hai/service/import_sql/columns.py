"""One row by column name, with the type that each column has; every error has its place."""

import json
from collections.abc import Mapping
from typing import Any

from hai.core.moments import unix_seconds
from hai.service.import_sql.arrays import parse_array
from hai.service.import_sql.statements import DEFAULT, Cell, Word
from hai.service.import_sql.text import Source

_TRUE = ("t", "true", "yes", "y", "on", "1")
_FALSE = ("f", "false", "no", "n", "off", "0")
_END_OF_TIME = 32503680000.0  # the year 3000: what the original writes for "never"


class Row:
    """The cells of one row; DEFAULT is as if the column were not named."""

    def __init__(self, source: Source, at: int, cells: Mapping[str, Cell]) -> None:
        self._source = source
        self.at = at
        self._cells = {name: cell for name, cell in cells.items() if cell.value is not DEFAULT}

    def has(self, column: str) -> bool:
        """Whether a value other than NULL is given."""
        cell = self._cells.get(column)
        return cell is not None and (cell.value is not None or cell.items is not None)

    def place(self, column: str) -> int:
        cell = self._cells.get(column)
        return self.at if cell is None else cell.at

    def error(self, column: str, what: str, hint: str = "") -> Exception:
        return self._source.error(self.place(column), what, hint)

    def text(self, column: str, default: str | None = None) -> str:
        """InvalidInput if it is missing and there is no default."""
        if not self.has(column):
            if default is None:
                raise self.error(column, f"{column} is missing")
            return default
        value = self._cells[column].value
        if isinstance(value, bool | Word) or self._cells[column].items is not None:
            raise self.error(column, f"{column}: a text is expected")
        return str(value)

    def integer(self, column: str) -> int | None:
        if not self.has(column):
            return None
        value = self._cells[column].value
        if isinstance(value, str):
            text = value.strip()
            if text.lstrip("+-").isascii() and text.lstrip("+-").isdigit() and len(text) < 20:
                value = int(text) if text.count("-") + text.count("+") <= 1 else value
        if isinstance(value, bool) or not isinstance(value, int) or abs(value) >= 2**63:
            raise self.error(column, f"{column}: a whole number is expected")
        return value

    def boolean(self, column: str, default: bool) -> bool:
        if not self.has(column):
            return default
        value = self._cells[column].value
        if isinstance(value, bool):
            return value
        word = str(value).strip().lower()
        if isinstance(value, str) and word in (*_TRUE, *_FALSE):
            return word in _TRUE
        raise self.error(column, f"{column}: true or false is expected")

    def texts(self, column: str) -> tuple[str, ...]:
        """An array of texts; () if it is missing."""
        if not self.has(column):
            return ()
        cell = self._cells[column]
        if cell.items is not None:
            items: list[Any] = [one.value for one in cell.items]
        elif isinstance(cell.value, str):
            try:
                items = list(parse_array(cell.value))
            except ValueError as error:
                raise self.error(column, f"{column}: {error}") from None
        else:
            raise self.error(column, f"{column}: an array is expected")
        if not all(isinstance(item, str) for item in items):
            raise self.error(column, f"{column}: an array of texts is expected")
        return tuple(items)

    def document(self, column: str) -> Mapping[str, Any]:
        """A JSON object; {} if it is missing."""
        if not self.has(column):
            return {}
        value = self._cells[column].value
        try:
            found = json.loads(value) if isinstance(value, str) else None
        except (ValueError, RecursionError) as error:
            raise self.error(column, f"{column} is no JSON: {error}") from None
        if not isinstance(found, dict):
            raise self.error(column, f"{column}: a JSON object is expected")
        return found

    def moment(self, column: str) -> float | None:
        """Unix seconds; None for no end, too. Without a zone: UTC."""
        if not self.has(column):
            return None
        value = self._cells[column].value
        if isinstance(value, str) and value.strip().lower() == "infinity":
            return None
        try:
            at = unix_seconds(str(value).strip())
        except ValueError:
            raise self.error(
                column, f"{column}: a time is expected", "as '2030-01-31 12:00:00+00'"
            ) from None
        return None if at >= _END_OF_TIME else at
