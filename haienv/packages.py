"""Installs packages into an environment, removes them, and makes it equal to a lock.

A layer is resolved against what it sees below itself (haienv.layer), and only what differs from
that is installed. The lock is written after each change.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hai.errors import InvalidInput, NotFound, PlatformError
from haienv.index import Index
from haienv.installed import Installed, installed_in
from haienv.layer import base_packages, write_stubs
from haienv.lock import Lock
from haienv.making import fill, finished
from haienv.model import Environment, minor_of
from haienv.promises import changing
from haienv.requirements import Requirements, lines_of_lock, name_of
from haienv.uv import run_uv

_BASE_HINT = (
    "name a package of the base to have another version of it in the layer "
    "(haienv add NAME numpy ...), or make an environment of its own: haienv create NAME --no_extend"
)
_OTHER_HINT = "check the names and versions, and which index is asked (UV_DEFAULT_INDEX, pip.conf)"


def add(
    index: Index, environment: Environment, wanted: Requirements, *, upgrade: bool = False
) -> Lock:
    """Installs what is wanted; with `upgrade`, newer versions replace what is there.

    Raises InvalidInput, PlatformError; then nothing is changed.
    """
    with changing(environment), _scratch() as scratch:
        find = _given if wanted.exact or environment.extends is None else _resolved
        resolved = find(environment, wanted, scratch, index, upgrade=upgrade)
        if resolved:
            run_uv(
                ["pip", "install", "--quiet", "--python", _python(environment), *resolved],
                root=index.root,
                doing=f"cannot install into {environment.name!r}",
                hint=_OTHER_HINT,
            )
        return finished(environment)


def _given(
    environment: Environment, wanted: Requirements, scratch: Path, index: Index, *, upgrade: bool
) -> list[str]:
    """The words for uv where uv may choose by itself, or the choice is made."""
    words = ["--upgrade"] if upgrade else []
    if wanted.exact:
        return [*words, "--no-deps", "-r", str(_exact_file(environment, wanted, scratch, index))]
    for path in wanted.files:
        words += ["-r", str(path)]
    for line in wanted.editable:
        words += ["-e", line]
    return [*words, "--", *wanted.lines] if wanted.lines else words


def _exact_file(
    environment: Environment, wanted: Requirements, scratch: Path, index: Index
) -> Path:
    """A lock as a file of requirements, without what the base has in the same version."""
    path = wanted.files[0]
    if path.name == "uv.lock":
        text = run_uv(
            [
                *("export", "--quiet", "--frozen", "--no-emit-project", "--no-dev"),
                *("--project", str(path.parent)),
            ],
            root=index.root,
            doing=f"cannot read {path}",
            hint="make it anew with `uv lock`",
        )
    elif environment.extends is None:
        return path  # with the addresses that it has
    else:
        text = "\n".join(lines_of_lock(path)) + "\n"
    out = scratch / "exact.txt"
    out.write_text(_without(text, base_packages(environment)), encoding="utf-8")
    return out


def _resolved(
    environment: Environment, wanted: Requirements, scratch: Path, index: Index, *, upgrade: bool
) -> list[str]:
    """The words for uv that install what the layer lacks; [] if it lacks nothing."""
    base = base_packages(environment)
    own = installed_in([environment.site_dir])
    below = _Below(base, own, upgrade)
    text = _compile(environment, wanted, below, scratch, index)
    rest = _without(text, {name: one for name, one in base.items() if name not in own})
    if not any(line and not line.startswith(("#", "--")) for line in rest.splitlines()):
        return []
    out = scratch / "rest.txt"
    out.write_text(rest, encoding="utf-8")
    return ["--no-deps", "-r", str(out)]


@dataclass(frozen=True, slots=True)
class _Below:
    base: dict[str, Installed]
    own: dict[str, Installed]
    upgrade: bool  # newer versions of `own` are welcome

    def constraints(self, named: set[str]) -> list[str]:
        """The base stays as it is, but for what is asked for by name or installed above it."""
        return [
            f"{name}=={one.version}"
            for name, one in self.base.items()
            if name not in named and name not in self.own
        ]

    def preferences(self) -> list[str]:
        kept = {} if self.upgrade else self.own
        both = {**self.base, **kept}
        return [f"{name}=={one.version}" for name, one in both.items() if not one.url]


def _compile(
    environment: Environment, wanted: Requirements, below: _Below, scratch: Path, index: Index
) -> str:
    stubs = scratch / "stubs"
    stubs.mkdir()
    write_stubs(below.base, stubs)
    lines = [*wanted.lines, *(f"-e {line}" for line in wanted.editable)]
    (scratch / "in.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    limits = "\n".join(below.constraints(wanted.names()))
    (scratch / "limits.txt").write_text(limits + "\n", encoding="utf-8")
    preferred = "\n".join(below.preferences())
    (scratch / "out.txt").write_text(preferred + "\n", encoding="utf-8")
    try:
        run_uv(
            ["pip", "compile", "--quiet", "--no-header", "--no-annotate", "--emit-index-url"]
            + (["--generate-hashes"] if _has_hashes(wanted.files) else [])
            + ["--python", _python(environment)]
            + ["-c", str(scratch / "limits.txt"), "-o", str(scratch / "out.txt")]
            + [str(scratch / "in.txt"), *map(str, wanted.files)],
            root=index.root,
            wheels=stubs,
            doing=f"cannot install into {environment.name!r}",
            hint=_OTHER_HINT,
        )
    except PlatformError as error:
        if _speaks_of(error.message, below.base):
            error.message += f" (it is a layer over {environment.extends})"
            error.hint = _BASE_HINT
        raise
    return (scratch / "out.txt").read_text(encoding="utf-8")


def _speaks_of(reason: str, base: dict[str, Installed]) -> bool:
    """Whether a package of the base, in its own version, is a part of the reason."""
    return any(
        re.search(rf"(?<![\w.-]){re.escape(name)}=={re.escape(one.version)}(?![\w+-])", reason)
        for name, one in base.items()
    )


def _has_hashes(given: tuple[Path, ...]) -> bool:
    return any("--hash=" in path.read_text(encoding="utf-8") for path in given)


def _without(text: str, base: dict[str, Installed]) -> str:
    """The requirements in `text` that the base does not have in that very version."""
    kept = []
    for line in text.replace("\\\n", " ").splitlines():
        name = name_of(line)
        version = line.split("==", 1)[1].split()[0].rstrip(";") if "==" in line else ""
        if not (name in base and base[name].version == version):
            kept.append(line)
    return "\n".join(kept) + "\n"


def drop(index: Index, environment: Environment, names: list[str]) -> Lock:
    """Removes packages of the environment itself. Raises NotFound for one that it has not."""
    own = installed_in([environment.site_dir])
    for name in names:
        if name_of(name) not in own:
            below = name_of(name) in base_packages(environment)
            raise NotFound(
                f"{environment.name!r} has no package {name!r} of its own",
                hint="it belongs to the base, which a layer cannot change"
                if below
                else f"haienv packages {environment.name} lists them",
            )
    with changing(environment):
        run_uv(
            ["pip", "uninstall", "--quiet", "--python", _python(environment), "--", *names],
            root=index.root,
            doing=f"cannot remove from {environment.name!r}",
            hint=f"haienv verify {environment.name} says what is damaged",
        )
        return finished(environment)


def make_equal(index: Index, environment: Environment, lock: Lock) -> Lock:
    """Installs and removes until the environment is what `lock` says."""
    if lock.python != minor_of(environment.python):
        raise InvalidInput(
            f"that lock is for Python {lock.python}, {environment.name!r} has {environment.python}",
            hint=f"haienv create NEW -p {lock.python}, then restore it there",
        )
    with changing(environment):
        return fill(environment, lock, index.root)


@contextmanager
def _scratch() -> Iterator[Path]:
    import tempfile

    with tempfile.TemporaryDirectory(prefix="haienv-") as folder:
        yield Path(folder)


def _python(environment: Environment) -> str:
    return str(environment.bin_dir / "python")
