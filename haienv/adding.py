"""haienv add, without the machinery of a command line: what it installs, and what it says of it."""

from collections.abc import Callable, Iterable

from hai.errors import InvalidInput
from haienv import packages
from haienv.index import Index
from haienv.lock import Lock, differences
from haienv.locked import lock_of
from haienv.model import Environment, check_name
from haienv.requirements import Requirements, files_at


def add(
    index: Index,
    environment: Environment,
    wanted: Requirements,
    say: Callable[[str], None],
    *,
    upgrade: bool,
) -> None:
    """Installs what is wanted and tells what has changed."""
    if not wanted:
        raise InvalidInput("name a package", hint=f"haienv add {environment.name} einops")
    before = lock_of(environment)
    tell(before, packages.add(index, environment, wanted, upgrade=upgrade), say)


def add_listed(
    name: str, lines: Iterable[str], listed: Iterable[str], say: Callable[[str], None]
) -> None:
    """Packages in words and files of them, into one of one's own environments."""
    index = Index.of_process()
    environment = index.find(check_name(name))
    add(index, environment, Requirements(tuple(lines), files_at(listed)), say, upgrade=False)


def tell(before: Lock, after: Lock, say: Callable[[str], None]) -> None:
    """The packages that are other ones now, and the identity."""
    changes = differences(before, after)
    for one in changes:
        was, now = one.before or "", one.after or "removed"
        say(f"  {one.name} {was + ' -> ' if was else ''}{now}")
    what = f"{len(changes)} change(s)" if changes else "nothing to do"
    say(f"{what}; identity {after.identity}")
