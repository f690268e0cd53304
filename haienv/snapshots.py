"""Snapshots: locks of an environment that are kept, to go back to."""

from dataclasses import dataclass
from pathlib import Path

from hai import files
from hai.errors import InvalidInput, NotFound
from haienv.index import Index
from haienv.lock import FILE_NAME, Lock, parse_lock
from haienv.locked import held, lock_of
from haienv.model import Environment, check_name
from haienv.packages import make_equal

FOLDER = "snapshots"


@dataclass(frozen=True, slots=True)
class EnvironmentSnapshot:
    """A kept lock; `label` is the name that its maker gave, or the identity."""

    label: str
    identity: str
    made_at: float  # seconds since 1970


def take(environment: Environment, label: str = "") -> EnvironmentSnapshot:
    """Keeps the lock of `environment` as it is now, under `label` or its identity.

    Raises InvalidInput for a label that another snapshot has.
    """
    lock = lock_of(environment)
    label = check_name(label or lock.identity)
    path = environment.path / FOLDER / f"{label}.lock"
    with held(environment):
        path.parent.mkdir(exist_ok=True)
        if path.exists() and _read(path).identity != lock.identity:
            raise InvalidInput(
                f"{environment.name!r} has another snapshot {label!r}", hint="give another label"
            )
        files.write_whole(path, lock.text(), mode=None)
    return EnvironmentSnapshot(label, lock.identity, path.stat().st_mtime)


def snapshots(environment: Environment) -> list[EnvironmentSnapshot]:
    """The oldest first."""
    found = [
        EnvironmentSnapshot(path.stem, _read(path).identity, path.stat().st_mtime)
        for path in (environment.path / FOLDER).glob("*.lock")
    ]
    return sorted(found, key=lambda one: (one.made_at, one.label))


def restore(index: Index, environment: Environment, label: str) -> Lock:
    """Makes the environment what it was when the snapshot was taken. Raises NotFound."""
    return make_equal(index, environment, kept(environment, label))


def kept(environment: Environment, label: str) -> Lock:
    """The lock of a snapshot, by its label or the start of its identity. Raises NotFound."""
    for one in snapshots(environment):
        if one.label == label or (len(label) >= 4 and one.identity.startswith(label)):
            return _read(environment.path / FOLDER / f"{one.label}.lock")
    raise NotFound(
        f"{environment.name!r} has no snapshot {label[:80]!r}",
        hint=f"haienv snapshot {environment.name} --list shows which there are",
    )


def lock_named(index: Index, reference: str) -> Lock:
    """The lock of `NAME`, `NAME[USER]`, `NAME@SNAPSHOT` or of a file. Raises NotFound."""
    if "/" in reference or reference.endswith(".lock"):
        path = Path(reference)
        if not path.is_file():
            raise NotFound(f"no file {path}", hint="give an environment, or a lock of haienv")
        return _read(path)
    name, _, label = reference.partition("@")
    environment = index.find(name)
    return kept(environment, label) if label else lock_of(environment)


def written_lock(environment: Environment) -> Lock | None:
    """What the last change of haienv left, if there was one."""
    path = environment.path / FILE_NAME
    return _read(path) if path.exists() else None


def _read(path: Path) -> Lock:
    return parse_lock(path.read_text(encoding="utf-8"))
