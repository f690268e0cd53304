import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hai.client.events import Resume, ServerEvent, decode_events, read_resumed
from hai.errors import NotFound, Unreachable


def wire(name: str, data: object, cursor: str = "") -> bytes:
    head = f"event: {name}\n" + (f"id: {cursor}\n" if cursor else "")
    return (head + f"data: {json.dumps(data, ensure_ascii=False)}\n\n").encode()


@given(
    st.lists(st.tuples(st.sampled_from(["lines", "state"]), st.text(), st.integers(0, 99))),
    st.integers(1, 7),
)
def test_any_cut_of_the_bytes_decodes_the_same(
    events: list[tuple[str, str, int]], size: int
) -> None:
    data = b"".join(
        wire(name, text.replace("\r", ""), str(cursor)) + b": keep-alive\n\n"
        for name, text, cursor in events
        if max(text, default="a") < "\ud800" or max(text, default="a") > "\udfff"
    )
    chunks = [data[i : i + size] for i in range(0, len(data), size)]
    whole = list(decode_events([data]))
    assert list(decode_events(chunks)) == whole
    assert all(isinstance(event.data, str) for event in whole)


def test_line_separators_inside_json_do_not_cut_it() -> None:
    (event,) = decode_events([wire("lines", "a\u2028b\x85c\x0b", "5")])
    assert event == ServerEvent("lines", "a\u2028b\x85c\x0b", "5")


def test_crlf_comments_and_several_data_lines() -> None:
    text = b": hello\r\nevent: x\r\ndata: [1,\r\ndata: 2]\r\n\r\nid: 9\n\ndata:3\n\n"
    assert list(decode_events([text])) == [ServerEvent("x", [1, 2]), ServerEvent("message", 3)]


def test_damage_is_told() -> None:
    with pytest.raises(Unreachable):
        list(decode_events([b"data: {\n\n"]))


class Script:
    """Connections one after the other: bytes, or an error that is raised behind them."""

    def __init__(self, *steps: object) -> None:
        self.steps = list(steps)
        self.cursors: list[str] = []
        self.waits: list[float] = []
        self.told: list[str] = []

    @contextmanager
    def connect(self, cursor: str) -> Iterator[Iterable[bytes]]:
        self.cursors.append(cursor)
        step = self.steps.pop(0)
        if isinstance(step, Exception):
            raise step
        assert isinstance(step, list)
        yield self._chunks(step)

    @staticmethod
    def _chunks(step: list[object]) -> Iterator[bytes]:
        for part in step:
            if isinstance(part, Exception):
                raise part
            assert isinstance(part, bytes)
            yield part

    def resume(
        self, tries: int | None = None, ends_on_close: bool = False, patient: bool = False
    ) -> Resume:
        return Resume(
            patient=patient,
            wait=self.waits.append,
            lost=lambda: self.told.append("lost"),
            back=lambda: self.told.append("back"),
            ends_on_close=ends_on_close,
            tries=tries,
        )

    def read(self, **how: int) -> list[str]:
        resume = self.resume(**how)  # type: ignore[arg-type]
        return [str(event.data) for event in read_resumed(self.connect, resume)]


GONE = Unreachable("gone")
END = wire("end", "end")


def test_it_resumes_from_the_last_cursor_and_tells_once_per_outage() -> None:
    script = Script(
        [wire("lines", "a", "1"), wire("lines", "b", "2"), GONE],
        GONE,
        GONE,
        [wire("lines", "c", "3")],
        [wire("lines", "d"), END, wire("lines", "never")],
    )
    assert script.read() == ["a", "b", "c", "d", "end"]
    assert script.cursors == ["", "2", "2", "2", "3"]
    assert script.told == ["lost", "back"]
    assert script.waits == [0.2, 0.4, 0.8, 0.2]


def test_the_waits_grow_to_a_limit() -> None:
    script = Script([wire("x", 1)], *[GONE] * 12, [END])
    script.read()
    assert max(script.waits) == 5.0


def test_the_first_connection_is_not_retried() -> None:
    with pytest.raises(Unreachable):
        Script(GONE, [END]).read()


def test_a_patient_reader_retries_the_first_connection_too() -> None:
    assert Script(GONE, GONE, [END]).read(patient=True) == ["end"]
    with pytest.raises(NotFound):
        Script(NotFound("never was"), [END]).read(patient=True)


def test_other_errors_go_through() -> None:
    with pytest.raises(NotFound):
        Script([wire("x", 1)], NotFound("gone for good")).read()


def test_tries_are_bounded_where_asked() -> None:
    script = Script([wire("x", 1)], GONE, GONE, [END])
    with pytest.raises(Unreachable):
        script.read(tries=2)


def test_a_finite_stream_may_end_by_closing() -> None:
    assert Script([wire("x", 1)]).read(ends_on_close=True) == ["1"]
