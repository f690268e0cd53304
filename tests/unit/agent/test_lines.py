"""Log lines: whatever way the output is cut, nothing is lost and every line has one prefix."""

import re

from hypothesis import given
from hypothesis import strategies as st

from hai.agent.lines import PIECE_BYTES, PREFIX_BYTES, LineStamper, prefix

AT = 1_700_000_000.25
STAMP = re.compile(rb"\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}\] ")


def test_prefix_is_utc_and_29_bytes() -> None:
    assert prefix(AT) == b"[2023-11-14 22:13:20.250000] "
    assert len(prefix(AT)) == PREFIX_BYTES
    assert prefix(1.9999999) == b"[1970-01-01 00:00:01.999999] "


@given(
    st.lists(st.one_of(st.binary(max_size=40), st.sampled_from([b"\n", b"a\n", b"\r\n", b"\xff"]))),
    st.lists(st.booleans()),
)
def test_cuts_do_not_matter(chunks: list[bytes], flushes: list[bool]) -> None:
    stamper = LineStamper()
    released = b""
    for number, chunk in enumerate(chunks):
        if chunk:
            released += stamper.feed(chunk, AT + number)
        if number < len(flushes) and flushes[number]:
            released += stamper.flush()
    released += stamper.end_line()
    sent = b"".join(chunks)
    lines = released.split(b"\n")[:-1]
    assert [line[PREFIX_BYTES:] for line in lines] == (
        sent.removesuffix(b"\n").split(b"\n") if sent else []
    )
    assert all(STAMP.match(line) for line in lines)


def test_long_line_comes_in_pieces_with_one_prefix() -> None:
    stamper = LineStamper()
    pieces = [stamper.feed(b"x" * 40_000, AT) for _ in range(5)]
    assert [bool(piece) for piece in pieces] == [False, True, False, True, False]
    whole = b"".join(pieces) + stamper.feed(b"end\n", AT)
    assert whole == prefix(AT) + b"x" * 200_000 + b"end\n"
    assert len(stamper.feed(b"y" * PIECE_BYTES, AT)) == PIECE_BYTES + PREFIX_BYTES


def test_a_line_keeps_the_time_of_its_first_byte() -> None:
    stamper = LineStamper()
    assert stamper.feed(b"be", AT) == b""
    assert stamper.has_partial
    assert stamper.feed(b"gin\n", AT + 9) == prefix(AT) + b"begin\n"
    assert not stamper.has_partial


def test_own_line_interrupts_an_open_one() -> None:
    stamper = LineStamper()
    stamper.feed(b"50%", AT)
    said = stamper.say("suspend notice", AT)
    assert said == prefix(AT) + b"50%\n" + prefix(AT) + b"[hai] suspend notice\n"
    assert stamper.end_line() == b""
    assert stamper.feed(b"\n", AT) == b""  # the end of the line that was cut: it has one already
    assert stamper.feed(b"\nnext\n", AT) == prefix(AT) + b"\n" + prefix(AT) + b"next\n"
