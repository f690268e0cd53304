"""The file, and where in it something is."""

from bisect import bisect_right

from hai.errors import InvalidInput

MOST_BYTES = 64 * 2**20


class Source:
    """A text with a name; offsets become line and column, both from 1."""

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.text = text.removeprefix("\N{ZERO WIDTH NO-BREAK SPACE}")
        self._starts: list[int] | None = None

    def place(self, offset: int) -> str:
        """name:line:column."""
        if self._starts is None:
            ends = [at + 1 for at, character in enumerate(self.text) if character == "\n"]
            self._starts = [0, *ends]
        line = bisect_right(self._starts, offset)
        return f"{self.name}:{line}:{offset - self._starts[line - 1] + 1}"

    def error(self, offset: int, what: str, hint: str = "") -> InvalidInput:
        return InvalidInput(f"{self.place(offset)}: {what}", hint=hint)


def decoded(name: str, data: bytes) -> Source:
    """UTF-8 text without NUL characters; InvalidInput says where it is none."""
    if len(data) > MOST_BYTES:
        raise InvalidInput(
            f"{name} has {len(data):,} bytes, and {MOST_BYTES:,} is the most",
            hint="import it in parts",
        )
    try:
        source = Source(name, data.decode("utf-8"))
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InvalidInput(
            f"{name}:{line}: this is no UTF-8", hint="save the file as UTF-8"
        ) from None
    at = source.text.find("\0")
    if at >= 0:
        raise source.error(at, "a NUL character cannot be part of SQL")
    return source
