"""The lock of what is installed now, and the only right to change that."""

from __future__ import annotations

from contextlib import contextmanager

from hai import files
from hai.errors import Denied
from haienv.index import replace_text
from haienv.installed import installed_in
from haienv.layer import base_identity, base_packages
from haienv.lock import FILE_NAME, Lock
from haienv.model import Environment, minor_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


def lock_of(environment: Environment) -> Lock:
    """The lock of what is installed now."""
    own = installed_in([environment.site_dir])
    pins = {name: one.pin for name, one in own.items()}
    base = base_identity(base_packages(environment))
    return Lock(minor_of(environment.python), base, pins)


def write_lock(environment: Environment) -> Lock:
    """Writes haienv.lock as things are."""
    lock = lock_of(environment)
    replace_text(environment.path / FILE_NAME, lock.text())
    return lock


@contextmanager
def held(environment: Environment) -> Iterator[None]:
    """Waits until nobody else changes what is installed in `environment`. Raises Denied."""
    try:  # uv itself locks <environment>/.lock
        lock = files.open_lock(environment.path / ".changing", owners=files.trusted_owners())
    except OSError as error:
        raise Denied(
            f"cannot change {environment.path}: {error.strerror}",
            hint="change your own: haienv create NAME makes one",
        ) from error
    with files.held(lock):
        yield
