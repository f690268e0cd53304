"""Wraps the documents at 110 columns: `.venv/bin/python -m scripts.wrap_docs`.

Only paragraphs and list items with a longer line are touched; tables, code, headings, HTML and
words longer than a line (addresses) stay as they are.
"""

import re
import textwrap
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
COLUMNS = 110
_ITEM = re.compile(r"( *)([-*+]|\d+\.) +")
# What would mean something else at the beginning of a line.
_MARK = re.compile(r"([-*+>#|]|\d+[.)]|=+|`{3}|~{3}|<)( |$|[#|=])|[|<]|`{3}")
_NARROWEST = 90


def documents() -> list[Path]:
    return [*sorted((ROOT / "docs").rglob("*.md")), *sorted(ROOT.glob("*.md"))]


def is_free(line: str) -> bool:
    """A line that may be as long as it is: one word, or part of a table."""
    return line.lstrip().startswith("|") or len(_ITEM.sub("", line).split()) == 1


def prose(text: str) -> Iterator[tuple[bool, list[str]]]:
    """The document's blocks in order, and whether each is a paragraph or a list item."""
    block: list[str] = []
    fence, before = "", ""
    for line in text.splitlines():
        stripped = line.lstrip()
        is_fence = stripped.startswith(("```", "~~~"))
        is_code = bool(fence) or is_fence or _is_indented_code(line, before, block)
        if is_fence:
            fence = "" if fence else stripped[:3]
        stands_alone = is_code or not stripped or stripped[0] in "#|<>"
        if block and (stands_alone or _ITEM.match(line)):
            yield True, block
            block = []
        if stands_alone:
            yield False, [line]
        else:
            block.append(line)
        before = line
    if block:
        yield True, block


def _is_indented_code(line: str, before: str, block: list[str]) -> bool:
    is_first = not before.strip() or before.startswith("    ")
    return line.startswith("    ") and is_first and not block and not _ITEM.match(line)


def wrapped(text: str) -> str:
    lines: list[str] = []
    for is_prose, block in prose(text):
        is_long = any(len(line) > COLUMNS and not is_free(line) for line in block)
        lines += _wrapped(block) if is_prose and is_long else block
    return "\n".join(lines) + "\n"


def _wrapped(block: list[str]) -> list[str]:
    item = _ITEM.match(block[0])
    first = item.group() if item else block[0][: len(block[0]) - len(block[0].lstrip())]
    words = " ".join([block[0][len(first) :], *(line.strip() for line in block[1:])])
    for columns in range(COLUMNS, _NARROWEST, -1):
        lines = textwrap.wrap(
            words,
            columns,
            initial_indent=first,
            subsequent_indent=" " * len(first),
            break_long_words=False,
            break_on_hyphens=False,
        )
        if not any(_MARK.match(line.lstrip()) for line in lines[1:]):
            return lines
    raise ValueError(f"cannot be wrapped: {words[:80]}")


def main() -> None:
    for path in documents():
        before = path.read_text()
        after = wrapped(before)
        if after != before:
            path.write_text(after)
            print(f"wrapped {path.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
