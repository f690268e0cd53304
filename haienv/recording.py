"""What a task records of its environment, so that each of its attempts runs in the same one."""

import json
import os
from collections.abc import Callable
from pathlib import Path

from hai.errors import Denied, HaiError, InvalidInput, NotFound, PlatformError
from haienv.index import FILE_NAME, PACKS, Index, read
from haienv.layer import base_directories
from haienv.model import Environment
from haienv.pip_wrapper import mend_pip

_BROKEN_CHECKS = ("bin/python", "pyvenv.cfg")


def record(
    index: Index,
    reference: str,
    *,
    follow: bool,
    say: Callable[[str], None],
    in_place: bool = False,
) -> dict[str, object]:
    """`options` of a document for the environment `NAME`, `NAME[USER]` or a path.

    With `follow` every attempt takes what has the name then, and there is no pack. `in_place`: no
    node has a disk for packs, so that one of one's own is packed only when it is about to change;
    those of others are packed now, since their owners do not see who uses them. Raises NotFound,
    Denied; PlatformError for a broken one.
    """
    environment = _found(index, reference)
    check_sound(environment)
    is_own = environment.path.parent == index.root
    if is_own:
        mend_pip(environment)
    names = {"name": environment.name, "owner": environment.owner, "follow": follow}
    if follow:
        from haienv.locked import lock_of

        identity = lock_of(environment).identity
        return _options(environment, {**names, "identity": identity})
    if in_place and is_own:
        return _options(environment, {**names, **_promised(index, environment)})
    from haienv.packing import packed

    lock, pack = packed(index, environment, say)
    return _options(
        environment,
        {
            **names,
            "identity": lock.identity,
            "pack": str(pack.path),
            "digest": pack.digest,
            "bytes": pack.size,
            "state": pack.state,
            "sites": list(pack.sites),
        },
    )


def _promised(index: Index, environment: Environment) -> dict[str, object]:
    from hai.agent.packs import pack_name
    from haienv.packing import sites_of
    from haienv.promises import promise

    lock, state = promise(index, environment)
    return {
        "identity": lock.identity,
        "pack": str(index.root / PACKS / f"{pack_name(lock.identity, state)}.tar.gz"),
        "state": state,
        "sites": list(map(str, sites_of(environment))),
    }


def _options(environment: Environment, recorded: dict[str, object]) -> dict[str, object]:
    return {"py_venv": str(environment.path), "environment": recorded}


def _found(index: Index, reference: str) -> Environment:
    if not reference.startswith("/"):
        return index.find(reference)
    path = Path(os.path.normpath(reference))
    if not (path / FILE_NAME).exists():
        raise NotFound(
            f"{path} is no environment of haienv", hint="haienv list -a shows which there are"
        )
    return read(path, _owner_of(index, path))


def _owner_of(index: Index, path: Path) -> str:
    if path.parent == index.root:
        return index.user
    if index.shared and path.parent.parent == index.shared:
        return path.parent.name
    return path.owner()


def check_sound(environment: Environment) -> None:
    """Raises PlatformError for an environment in which no program could run, Denied for one that
    this user may not use."""
    try:
        _check_sound(environment)
    except PermissionError as error:
        raise Denied(
            f"environment {environment.name!r} cannot be used: {error.filename}: {error.strerror}",
            hint=f"its owner can share it: haienv share {environment.name} USER",
        ) from error


def _check_sound(environment: Environment) -> None:
    hint = f"haienv verify {environment.name} says more; haienv remove it and make it anew"
    for name in _BROKEN_CHECKS:
        if not (environment.path / name).exists():
            raise PlatformError(
                f"environment {environment.name!r} is broken: {environment.path / name} is gone",
                hint=hint,
            )
    if not environment.site_dir.is_dir():
        raise PlatformError(
            f"environment {environment.name!r} is broken: {environment.site_dir} is gone", hint=hint
        )
    for folder in base_directories(environment):
        if not folder.is_dir():
            raise PlatformError(
                f"environment {environment.name!r} is broken: its base {folder} is gone", hint=hint
            )


def answer(words: list[str], say: Callable[[str], None]) -> tuple[int, str]:
    """Exit code and stdout of `haienv record NAME [--follow] [--in-place]`: options, or an error,
    as JSON."""
    rest = [word for word in words if word not in ("--follow", "--in-place")]
    try:
        if len(rest) != 1:
            raise InvalidInput("name one environment", hint="haienv list shows which there are")
        wishes = {"follow": "--follow" in words, "in_place": "--in-place" in words}
        found = record(Index.of_process(), rest[0], say=say, **wishes)
        return 0, json.dumps(found)
    except HaiError as error:
        body = {"code": error.code, "message": error.message, "hint": error.hint}
        return 1, json.dumps({"error": body})
