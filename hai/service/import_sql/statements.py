"""From tokens to INSERTs: which table, which columns, which values."""

from collections.abc import Iterator
from dataclasses import dataclass

from hai.service.import_sql.text import Source
from hai.service.import_sql.tokens import Kind, SqlToken, tokens_of


class Word:
    """A value that only a database could fill in: DEFAULT, now()."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return self.name


DEFAULT, NOW = Word("DEFAULT"), Word("now()")
_NOW = ("now", "current_timestamp", "localtimestamp", "current_date")
_CONSTANTS: dict[str, bool | Word | None] = {
    "null": None,
    "true": True,
    "false": False,
    "default": DEFAULT,
}
_TYPES = ("json", "jsonb", "text", "varchar", "timestamp", "timestamptz", "date", "bigint")
_TYPE_WORDS = ("varying", "precision", "with", "without", "time", "zone")
_SKIPPED = ("begin", "commit", "start", "set", "end", "analyze")
_DEEPEST = 20
_MOST_CELLS = 5_000_000

Value = bool | int | float | str | Word | None


@dataclass(frozen=True, slots=True)
class Cell:
    """One value and where it stands; an array has `items`."""

    value: Value
    at: int
    items: "tuple[Cell, ...] | None" = None


@dataclass(frozen=True, slots=True)
class Name:
    text: str
    at: int


@dataclass(frozen=True, slots=True)
class Insert:
    """`conflict`: columns that ON CONFLICT names. `keeps`: DO NOTHING, a row that is there stays.
    `updates`: columns that DO UPDATE names."""

    table: Name
    columns: tuple[Name, ...]
    rows: tuple[tuple[Cell, ...], ...]
    conflict: tuple[Name, ...] = ()
    keeps: bool = False
    updates: tuple[Name, ...] = ()


def inserts_of(source: Source) -> Iterator[Insert]:
    """Every INSERT of the file in order; InvalidInput, with its place, for anything else."""
    return _Parser(source).statements()


class _Parser:
    def __init__(self, source: Source) -> None:
        self._source = source
        self._tokens = tokens_of(source)
        self._now = next(self._tokens)
        self._cells = 0

    def statements(self) -> Iterator[Insert]:
        while self._now.kind is not Kind.END:
            if self._take(";"):
                continue
            if self._word("insert"):
                yield self._insert()
            elif self._now.text in _SKIPPED and self._now.kind is Kind.WORD:
                self._skip()
            elif self._word("select"):
                self._setting()
            else:
                raise self._unclear("INSERT INTO", "only rows are imported: take the rest out")

    def _insert(self) -> Insert:
        self._expect_word("into")
        table = self._qualified()
        if self._word("as"):
            self._name()
        if not self._take("("):
            raise self._unclear(
                "the columns", f"name them: {table.text} (column, ...) VALUES (...)"
            )
        columns = self._names()
        self._expect_word("values")
        rows = [self._row(len(columns))]
        while self._take(","):
            rows.append(self._row(len(columns)))
        conflict = self._conflict() if self._word("on") else ()
        keeps, updates = self._remedy() if self._word("do") else (False, ())
        if self._word("returning"):
            self._skip()
        elif self._now.kind is not Kind.END:
            self._expect(";")
        return Insert(table, columns, tuple(rows), conflict, keeps, updates)

    def _qualified(self) -> Name:
        name = self._name()
        if self._take("."):
            if name.text != "public":
                raise self._source.error(name.at, f"there is no schema {name.text!r} here")
            return self._name()
        return name

    def _row(self, width: int) -> tuple[Cell, ...]:
        at = self._now.at
        self._expect("(")
        cells = [self._value()]
        while self._take(","):
            cells.append(self._value())
        self._expect(")")
        if len(cells) != width:
            raise self._source.error(at, f"this row has {len(cells)} values for {width} columns")
        self._cells += width
        if self._cells > _MOST_CELLS:
            raise self._source.error(at, "too many values", "import the file in parts")
        return tuple(cells)

    def _names(self) -> tuple[Name, ...]:
        """Behind an opening bracket, up to the closing one."""
        names = [self._name()]
        while self._take(","):
            names.append(self._name())
        self._expect(")")
        return tuple(names)

    def _conflict(self) -> tuple[Name, ...]:
        self._expect_word("conflict")
        if self._word("on"):
            self._expect_word("constraint")
            self._name()
        names = self._names() if self._take("(") else ()
        if self._now.text != "do":
            raise self._unclear("DO")
        return names

    def _remedy(self) -> tuple[bool, tuple[Name, ...]]:
        if self._word("nothing"):
            return True, ()
        self._expect_word("update")
        self._expect_word("set")
        updates = [self._assignment()]
        while self._take(","):
            updates.append(self._assignment())
        return False, tuple(updates)

    def _assignment(self) -> Name:
        """column = excluded.column."""
        name = self._name()
        self._expect("=")
        at = self._now.at
        if self._qualified_excluded() != name.text:
            raise self._source.error(at, f"only {name.text} = excluded.{name.text} is read here")
        return name

    def _qualified_excluded(self) -> str:
        if not self._word("excluded") or not self._take("."):
            return ""
        return self._name().text

    def _value(self, depth: int = 0) -> Cell:
        if depth > _DEEPEST:
            raise self._source.error(self._now.at, "this is nested too deeply")
        cell = self._bare(depth)
        while self._take("::"):
            self._type()
        return cell

    def _bare(self, depth: int) -> Cell:
        token = self._now
        if token.kind is Kind.STRING:
            self._advance()
            return Cell(token.text, token.at)
        if token.kind is Kind.NUMBER or token.text in ("-", "+"):
            return self._number()
        if self._take("("):
            cell = self._value(depth + 1)
            self._expect(")")
            return cell
        if token.kind is Kind.WORD:
            return self._worded(depth)
        raise self._unclear("a value", "only plain values are imported")

    def _number(self) -> Cell:
        at = self._now.at
        negative = self._take("-")
        if not negative:
            self._take("+")
        token = self._now
        if token.kind is not Kind.NUMBER:
            raise self._unclear("a number")
        self._advance()
        value = int(token.text) if token.text.isdigit() else float(token.text)
        return Cell(-value if negative else value, at)

    def _worded(self, depth: int) -> Cell:
        token = self._now
        if token.text in _CONSTANTS:
            self._advance()
            return Cell(_CONSTANTS[token.text], token.at)
        if token.text in _NOW:
            self._advance()
            if self._take("("):
                self._expect(")")
            return Cell(NOW, token.at)
        if self._word("array"):
            return self._array(token.at, depth)
        if self._word("cast"):
            self._expect("(")
            cell = self._value(depth + 1)
            self._expect_word("as")
            self._type()
            self._expect(")")
            return cell
        if token.text in _TYPES:
            self._advance()
            if self._now.kind is Kind.STRING:
                return self._bare(depth)
        raise self._unclear("a value", "only plain values are imported, no expressions")

    def _array(self, at: int, depth: int) -> Cell:
        self._expect("[")
        items = []
        if not self._take("]"):
            items.append(self._value(depth + 1))
            while self._take(","):
                items.append(self._value(depth + 1))
            self._expect("]")
        return Cell(None, at, tuple(items))

    def _type(self) -> None:
        """character varying(255)[], public."some_enum", timestamp with time zone."""
        self._qualified()
        self._type_words()
        if self._take("("):
            while self._now.kind is Kind.NUMBER or self._now.text == ",":
                self._advance()
            self._expect(")")
            self._type_words()
        while self._take("["):
            if self._now.kind is Kind.NUMBER:
                self._advance()
            self._expect("]")

    def _type_words(self) -> None:
        while self._now.kind is Kind.WORD and self._now.text in _TYPE_WORDS:
            self._advance()

    def _setting(self) -> None:
        """pg_dump's SELECT pg_catalog.set_config(...) and setval(...): nothing to import."""
        name = self._name()
        if name.text == "pg_catalog" and self._take("."):
            name = self._name()
        if name.text not in ("set_config", "setval"):
            raise self._source.error(name.at, "SELECT is not read here: only rows are imported")
        self._skip()

    def _skip(self) -> None:
        while self._now.kind is not Kind.END and not self._take(";"):
            self._advance()

    def _name(self) -> Name:
        token = self._now
        if token.kind not in (Kind.WORD, Kind.QUOTED):
            raise self._unclear("a name")
        self._advance()
        return Name(token.text, token.at)

    def _word(self, word: str) -> bool:
        if self._now.kind is Kind.WORD and self._now.text == word:
            self._advance()
            return True
        return False

    def _take(self, mark: str) -> bool:
        if self._now.kind is Kind.MARK and self._now.text == mark:
            self._advance()
            return True
        return False

    def _expect(self, mark: str) -> None:
        if not self._take(mark):
            raise self._unclear(repr(mark))

    def _expect_word(self, word: str) -> None:
        if not self._word(word):
            raise self._unclear(word.upper())

    def _advance(self) -> SqlToken:
        token = self._now
        if token.kind is not Kind.END:
            self._now = next(self._tokens)
        return token

    def _unclear(self, wanted: str, hint: str = "") -> Exception:
        return self._source.error(self._now.at, f"expected {wanted}, not {self._now.shown}", hint)
