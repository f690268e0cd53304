"""haienv create, without the machinery of a command line: what it makes, and what it says of it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path

from hai.core.moments import rfc3339
from hai.errors import InvalidInput
from haienv import build
from haienv.index import Index
from haienv.model import Environment, Extras, check_name
from haienv.requirements import Requirements, files_at, from_conda, from_lock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class CreateRequest:
    """What is asked for: `py` and `extend` are "" unless given; of `listed` (files of
    requirements), `lock` and `conda` one at most."""

    name: str
    no_extend: bool = False
    py: str = ""
    extend: str = ""
    extras: Extras = field(default_factory=Extras)
    listed: tuple[str, ...] = ()
    lock: str | None = None
    conda: str | None = None
    skip_missing: bool = False
    private: bool = False


def create(order: CreateRequest, say: Callable[[str], None], agree: Callable[[], None]) -> None:
    """Makes and fills it; `agree` asks the user first, or ends the process. HaiError."""
    index = Index.of_process()
    check_name(order.name)
    build.check_free(index, order.name)
    build.check_directories(order.extras)
    wanted = _requirements(order, say)
    python = build.find_interpreter(_python(index, order) or wanted.python)
    layer = "on its own" if order.no_extend else f"seeing the packages of {python.prefix}"
    say(f"{index.root / order.name}: Python {python.version}, {layer}")
    agree()
    now = int(time.time())  # noqa: TID251 (only written down, nothing is decided by it)
    environment = build.create(
        index,
        order.name,
        python,
        extend=not order.no_extend,
        extras=order.extras,
        created_at=rfc3339(now, "seconds"),
    )
    if order.private:
        environment.path.chmod(0o700)
    _fill(index, environment, wanted, say)
    say(f"done; enter it with: source haienv {order.name}")


def _python(index: Index, order: CreateRequest) -> str:
    """As -p says, or that of the base; "" if neither is given."""
    if not order.extend:
        return order.py
    if order.no_extend or order.py:
        raise InvalidInput(
            "--extend names the base, and its Python", hint="leave out --no_extend and -p"
        )
    return str(index.find(order.extend).bin_dir / "python")


def _requirements(order: CreateRequest, say: Callable[[str], None]) -> Requirements:
    """What -r, --lock or --from-conda say; one of them at most."""
    if sum([bool(order.listed), order.lock is not None, order.conda is not None]) > 1:
        raise InvalidInput(
            "-r, --lock and --from-conda exclude each other", hint="give one of them"
        )
    if order.lock is not None:
        return from_lock(Path(order.lock))
    if order.conda is None:
        return Requirements(files=files_at(order.listed))
    wanted = from_conda(Path(order.conda))
    if wanted.missing and not order.skip_missing:
        raise InvalidInput(
            f"conda alone can provide: {', '.join(wanted.missing)}",
            hint="extend an environment or image that has them, and add --skip-missing",
        )
    for one in wanted.missing:
        say(f"left out: {one}, which conda alone can provide")
    return wanted


def _fill(
    index: Index, environment: Environment, wanted: Requirements, say: Callable[[str], None]
) -> None:
    """Half an environment is none: one that cannot be filled is removed again."""
    if not wanted:
        return
    from haienv.packages import add

    try:
        lock = add(index, environment, wanted)
    except BaseException:
        build.remove(index, environment.name)
        raise
    say(f"{len(lock.pins)} package(s), identity {lock.identity}")
