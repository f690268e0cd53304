"""`hai-up config -i`: the variables of a config.sh asked for one by one, then the file."""

import re
import shlex
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from hai.errors import InvalidInput

_LINE = re.compile(r"(# )?([A-Z][A-Z0-9_]*)=(.*)")
Say = Callable[[str], None]
Check = Callable[[str], None]  # InvalidInput for a config.sh that will not do


@dataclass(frozen=True, slots=True)
class VariableQuestion:
    """One variable. `default` as it stands in the file; `is_optional`: its line is a comment, and
    stays one where nothing is answered."""

    name: str
    about: tuple[str, ...]
    default: str
    is_optional: bool


def questions_of(template: str) -> list[VariableQuestion]:
    """In the order of the file; HAI_PROVIDER is answered by who asks."""
    found: list[VariableQuestion] = []
    about: list[str] = []
    for line in template.splitlines():
        match = _LINE.fullmatch(line)
        if match is None:
            about = [*about, line.removeprefix("# ")] if line.startswith("#") else []
        elif match[2] != "HAI_PROVIDER":
            found.append(VariableQuestion(match[2], tuple(about), match[3], bool(match[1])))
            about = []
    return found


def filled(template: str, answers: Mapping[str, str]) -> str:
    """The file with these values, quoted where they need it."""
    lines = []
    for line in template.splitlines():
        match = _LINE.fullmatch(line)
        answer = answers.get(match[2]) if match else None
        lines.append(line if match is None or answer is None else f"{match[2]}={_quoted(answer)}")
    return "\n".join(lines) + "\n"


def _quoted(value: str) -> str:
    """For hai-up and for a shell; `$NAME` goes on referring to a line above."""
    plain = re.fullmatch(r"[A-Za-z0-9_./:,@%+=~$\{\}-]*", value)
    has_double = any(char in value for char in '"\\`')
    return value if plain else shlex.quote(value) if has_double else f'"{value}"'


def interview(template: str, check: Check, say: Say) -> str:
    """The file with what the person at the terminal types; Enter keeps what is there.

    An answer that will not do is asked for again. InvalidInput where nobody can be asked, or the
    input ends.
    """
    if not sys.stdin.isatty():
        raise InvalidInput(
            "standard input is not a terminal: nobody can be asked",
            hint="hai-up config > config.sh, then edit it",
        )
    say("Enter keeps the value in brackets; Ctrl-C ends without a file.")
    answers: dict[str, str] = {}
    for question in questions_of(template):
        while True:
            answer = _ask(question, say)
            tried = {**answers, question.name: answer} if answer else answers
            wrong = _wrong(filled(template, tried), question, check)
            if not wrong:
                answers = tried
                break
            say(f"  {wrong}")
    text = filled(template, answers)
    check(text)
    return text


def _wrong(text: str, question: VariableQuestion, check: Check) -> str:
    """What is wrong with this variable; what is wrong with a later one is asked for there."""
    try:
        check(text)
    except InvalidInput as error:
        first = error.message.split()[0].rstrip(":,")
        is_others = first.isupper() and first != question.name
        if not is_others and re.search(rf"\b{question.name}\b", error.message):
            return f"{error.message} ({error.hint})" if error.hint else error.message
    return ""


def _ask(question: VariableQuestion, say: Say) -> str:
    for line in question.about:
        say(f"# {line}")
    kept = "not set" if question.is_optional else question.default
    sys.stderr.write(f"{question.name} [{kept}]: ")
    sys.stderr.flush()
    line = sys.stdin.readline()
    if not line:
        raise InvalidInput("the input ended: no file was made", hint="hai-up config -i again")
    return line.strip()
