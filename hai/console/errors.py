"""The only owner of stderr and exit codes: one line for what and why, one for what to do next.

Exit codes: `hai-cli help exit-codes`, from the table below.
"""

import json
import os
import sys
import traceback
from collections.abc import Callable, Mapping
from typing import NoReturn, TextIO

from hai.console.terminal import Palette, printable, safe_stream
from hai.errors import HaiError

OK = 0
ERROR = 1
USAGE = 2
INTERRUPTED = 130
BROKEN_PIPE = 141

EXIT_CODES = {
    "invalid_input": 2,
    "not_found": 3,
    "auth_required": 4,
    "denied": 5,
    "over_quota": 5,
    "too_many": 5,
    "conflict": 6,
    "name_in_use": 6,
    "unreachable": 7,
    "unavailable": 7,
    "timeout": 8,
}
MEANINGS = {
    0: "done",
    1: "an error that has no number of its own",
    2: "wrong usage or input that cannot be accepted; nothing was changed",
    3: "no such task, user, group, node or file",
    4: "no token, or one that is not accepted: `hai-cli init`",
    5: "not allowed, over quota, or too much at once",
    6: "in conflict with the present state, or the name is in use",
    7: "the server cannot be reached",
    8: "a time limit of yours passed (--timeout)",
    130: "interrupted with Ctrl-C; a followed task runs on",
    141: "the reader of the output went away",
    143: "terminated",
}
# Said when whoever raised the error had nothing better to say.
HINTS = {
    "invalid_input": "--help shows what is possible",
    "not_found": "`hai-cli list` shows what there is",
    "auth_required": "run `hai-cli init`",
    "denied": "`hai-cli whoami` shows who you are; an admin may do it",
    "over_quota": "`hai-cli whoami` shows your quota",
    "too_many": "end some of it, or ask an admin for more",
    "conflict": "`hai-cli list` shows the present state",
    "name_in_use": "choose another --name, or stop the task that has it",
    "unavailable": "try again in a moment",
}


def exit_code(error: HaiError) -> int:
    """Unknown codes (of a newer server) are 1."""
    return EXIT_CODES.get(error.code, ERROR)


class Stderr:
    """Narration, warnings and errors. `quiet` keeps the errors and warnings only."""

    program = "hai-cli"

    def __init__(
        self,
        stream: TextIO | None = None,
        *,
        quiet: bool = False,
        as_json: bool = False,
        palette: Palette | None = None,
        program: str = "",
    ) -> None:
        self.program = program or self.program
        self._stream = safe_stream(stream or sys.stderr)
        self.quiet = quiet
        self.as_json = as_json
        self.palette = palette or Palette(enabled=False)
        self._progress_width = 0

    @property
    def is_terminal(self) -> bool:
        return self._stream.isatty()

    def say(self, text: str) -> None:
        """Narration: what happens, what may be done next."""
        if not self.quiet:
            self._write(printable(text))

    def warn(self, text: str) -> None:
        warning = self.palette.paint("warning", "yellow")
        self._write(f"{self.program}: {warning}: {printable(text)}")

    def detail(self, text: str) -> None:
        """A line that was asked for with -v or --debug."""
        self._write(self.palette.paint(f"debug: {printable(text)}", "dim"))

    def prompt(self, text: str) -> None:
        """A question, without a line end."""
        self._stream.write(printable(text))
        self._stream.flush()

    def progress(self, text: str) -> None:
        """A line that the next one overwrites; "" takes it away. Only on a terminal."""
        if self.is_terminal and not self.quiet:
            blank = " " * self._progress_width
            self._progress_width = len(text)
            self._stream.write(f"\r{blank}\r{printable(text)}")
            self._stream.flush()

    def error(self, error: HaiError) -> None:
        """The error as one line and a hint, or as an ErrorBody when JSON was asked for."""
        if self.as_json:
            self._write(json.dumps(error_body(error)))
            return
        self._write(f"{self.program}: {self.palette.paint(_one_line(error.message), 'red')}")
        hint = error.hint or HINTS.get(error.code, "")
        if hint:
            self._write(f"  hint: {_one_line(hint)}")

    def traceback(self) -> None:
        """The current exception in full (--debug)."""
        self._write(printable(traceback.format_exc().rstrip("\n")))

    def _write(self, text: str) -> None:
        try:
            self._stream.write(text + "\n")
            self._stream.flush()
        except (BrokenPipeError, ValueError):
            pass  # nobody reads stderr: the exit code still speaks


def error_body(error: HaiError) -> Mapping[str, object]:
    """The wire's ErrorBody (hai.schema.views)."""
    details = dict(error.details)
    request_id = str(details.pop("request_id", ""))
    body = {
        "code": error.code,
        "message": error.message,
        "hint": error.hint or HINTS.get(error.code, ""),
        "request_id": request_id,
    }
    return {**body, "details": details} if details else body


def run_tool(entry: Callable[[], object], stderr: Stderr) -> NoReturn:
    """Runs a small tool's command line and exits: every deliberate error is one line, a hint and
    its exit code."""
    open_closed_streams()
    try:
        entry()
    except HaiError as error:
        stderr.error(error)
        leave(exit_code(error))
    except OSError as error:  # a full disk, a file system that went away
        stderr.error(HaiError(f"{error.filename or 'the file system'}: {error.strerror}"))
        leave(ERROR)
    leave(OK)


def open_closed_streams() -> None:
    """What the caller closed (`>&-`) goes nowhere; Python itself would leave None."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123, SIM115


def leave(code: int) -> NoReturn:
    """Exits with open streams flushed; a reader that went away is no error."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (BrokenPipeError, ValueError):
            code = silence(stream)
        except OSError:  # a full disk; what was lost there has been said by whoever wrote it
            silence(stream)
            code = code or ERROR
    sys.exit(code)


def silence(stream: TextIO) -> int:
    """Points a broken stream at /dev/null, so that the interpreter's own flush stays quiet."""
    try:
        devnull = os.open(os.devnull, os.O_WRONLY)
        os.dup2(devnull, stream.fileno())
    except (OSError, ValueError):
        pass  # not a real file: nothing will be flushed
    return BROKEN_PIPE


def _one_line(text: str) -> str:
    return printable(" ".join(text.split()))
