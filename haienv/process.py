"""Entering an environment from within a running Python."""

import os
import site
import sys
from dataclasses import dataclass

from hai.errors import InvalidInput
from haienv.index import Index
from haienv.model import Environment, activation, minor_of


@dataclass(frozen=True, slots=True)
class _Before:
    """What this process was like before it entered an environment."""

    search_path: list[str]
    variables: dict[str, str | None]

    def restore(self) -> None:
        sys.path[:] = self.search_path
        for name, value in self.variables.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


_before: list[_Before] = []  # at most one


def enter(name: str, user: str | None) -> Environment:
    """See haienv.set_env."""
    environment = Index.of_process().find(name, user)
    running = ".".join(map(str, sys.version_info[:2]))
    if minor_of(environment.python) != running:
        raise InvalidInput(
            f"environment {environment.name!r} has Python {environment.python}, this is {running}",
            hint=f"run the program with {environment.bin_dir}/python",
        )
    if _before:
        _before.pop().restore()
    changes = activation(environment)
    names = [*changes.values, *changes.prefixes, *changes.removed]
    before = _Before(list(sys.path), {one: os.environ.get(one) for one in names})
    _before.append(before)
    os.environ.update(changes.joined(os.environ))
    for one in changes.removed:
        os.environ.pop(one, None)
    sys.path[:] = _search_path(environment, before.search_path)
    return environment


def _search_path(environment: Environment, former: list[str]) -> list[str]:
    """`former`, with the extra directories after its first entry (the script's directory), and
    the environment's packages before those of the running Python."""
    site.addsitedir(str(environment.site_dir))  # runs its .pth files, hence the base's too
    extra = list(environment.extras.search_dirs)
    added = [entry for entry in sys.path if entry not in former and entry not in extra]
    own = str(environment.site_dir)
    added = [own, *(entry for entry in added if entry != own)]
    rest = [entry for entry in former if entry not in extra and entry != own]
    packages = next((i for i, entry in enumerate(rest) if _holds_packages(entry)), len(rest))
    return [*rest[:1], *extra, *rest[1:packages], *added, *rest[packages:]]


def _holds_packages(entry: str) -> bool:
    return entry.endswith(("site-packages", "dist-packages"))
