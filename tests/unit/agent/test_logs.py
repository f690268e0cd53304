"""The log writer: bounded, patient, honest about what it dropped."""

import re
import time
from pathlib import Path

from hai.agent.logs import ITEM_BYTES, LogWriter
from hai.agent.segments import Segments
from tests.waiting import PATIENCE_SECONDS, wait_until

WITHIN_SECONDS = PATIENCE_SECONDS


def writer(folder: Path, buffer_bytes: int = 2**20) -> LogWriter:
    log = LogWriter(Segments(str(folder), 0, 2**20, 4), buffer_bytes)
    log.start()
    return log


class Refused(Segments):
    """Counts what the disk did not take."""

    refusals = 0

    def write(self, data: bytes) -> int:
        try:
            return super().write(data)
        except OSError:
            self.refusals += 1
            raise


def text_of(folder: Path) -> str:
    return "".join(file.read_text() for file in sorted(folder.glob("0.*.log")))


def wait_for(folder: Path, part: str) -> str:
    wait_until(lambda: part in text_of(folder), what=part)
    return text_of(folder)


def test_partial_line_is_written_after_a_silence(tmp_path: Path) -> None:
    log = writer(tmp_path)
    log.feed(b"Password: ")
    assert re.fullmatch(r"\[.{26}\] Password: ", wait_for(tmp_path, "Password: "))
    log.feed(b"ok\n")
    assert log.close(WITHIN_SECONDS)
    assert text_of(tmp_path).count("[") == 1


def test_a_bar_that_never_rests_is_written(tmp_path: Path) -> None:
    """A line that is drawn anew all the time has neither an end nor a silence."""
    log = writer(tmp_path)
    fed = iter(range(1_000_000))

    def seen() -> bool:
        log.feed(b"\r%d%%" % next(fed))
        return "%" in text_of(tmp_path)

    wait_until(seen, what="the bar")
    assert log.close(WITHIN_SECONDS)
    [file] = tmp_path.glob("0.*.log")
    whole = file.read_bytes()[29:]
    assert whole == b"".join(b"\r%d%%" % number for number in range(next(fed)))


def test_what_is_buffered_is_written_at_close(tmp_path: Path) -> None:
    log = writer(tmp_path)
    for number in range(1000):
        log.feed(b"%d\n" % number)
    log.feed(b"no end")
    assert log.close(WITHIN_SECONDS)
    lines = text_of(tmp_path).splitlines()
    assert [line[29:] for line in lines] == [*map(str, range(1000)), "no end"]
    assert text_of(tmp_path).endswith("no end"), "an end that the program never wrote"


def test_disk_that_refuses_is_waited_for_and_named(tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    folder.write_text("a file where the folder should be")
    segments = Refused(str(folder), 0, 2**20, 4)
    log = LogWriter(segments)
    log.start()
    log.feed(b"early\n")
    wait_until(lambda: segments.refusals, what="the first attempt")
    folder.unlink()
    text = wait_for(folder, "[hai]")
    assert "early\n" in text
    assert "[hai] the log could not be written for" in text
    assert log.close(WITHIN_SECONDS)


def test_more_than_the_buffer_is_dropped_in_whole_lines(tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    folder.write_text("not yet")
    log = writer(folder, buffer_bytes=1000)
    for number in range(100):
        log.feed(b"line %d is 30 bytes long......\n" % number)
    folder.unlink()
    # The writer may hold one more line than fits into the buffer: with this one written the buffer
    # is empty or nearly so, however quick the machine, and takes lines again.
    wait_for(folder, f"line {1000 // (ITEM_BYTES + 30) - 1} ")
    log.feed(b"the rest of a dropped one\nafter\n")
    assert log.close(WITHIN_SECONDS)
    lines = [line[29:] for line in text_of(folder).splitlines()]
    assert lines[-1] == "after"
    kept = [line for line in lines if line.startswith("line ")]
    dropped = next(line for line in lines if line.startswith("[hai] dropped"))
    assert dropped == f"[hai] dropped {100 - len(kept) + 1} lines"
    assert all(line.endswith("......") for line in kept)


def test_close_gives_up_on_a_dead_disk(tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    folder.write_text("for ever")
    log = writer(folder)
    log.feed(b"lost\n")
    started = time.monotonic()
    assert not log.close(0.1)
    assert time.monotonic() - started < WITHIN_SECONDS
