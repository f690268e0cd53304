"""Which commit a checkout is at, read from git's files: no command is run, for every start of a
command waits for it. A released package has its revision in its version already."""

# ruff: noqa: PTH100, PTH113, PTH118, PTH120, PTH123 - os.path is loaded already, pathlib takes longer
# Runs on Python 3.8 too, as hai itself: hai.client inside a task's own interpreter needs it.
from __future__ import annotations

import os
import re

_DIGITS = 10  # as `git rev-parse --short=10`, which releases are named by
_COMMIT = re.compile(r"[0-9a-f]{40,64}")


def with_revision(version: str, file: str) -> str:
    """`version`, with "+g<revision>" if `file`, directly in a package, is part of a checkout."""
    checkout = os.path.dirname(os.path.dirname(os.path.abspath(file)))
    commit = "" if "+" in version else _commit(os.path.join(checkout, ".git"))
    return f"{version}+g{commit[:_DIGITS]}" if commit else version


def _commit(git: str) -> str:
    """The commit of HEAD; empty where that cannot be told."""
    try:
        if os.path.isfile(git):  # of a further worktree: it names its folder
            git = os.path.join(os.path.dirname(git), _read(git).partition("gitdir:")[2].strip())
        head = _read(os.path.join(git, "HEAD")).strip()
        name = head.partition("ref:")[2].strip()
        found = _named(git, name) if name else head
    except OSError:
        return ""
    return found if _COMMIT.fullmatch(found) else ""


def _named(git: str, name: str) -> str:
    common = os.path.join(git, "commondir")
    # where there are several worktrees, what they share is elsewhere
    common = os.path.join(git, _read(common).strip()) if os.path.isfile(common) else git
    try:
        return _read(os.path.join(common, *name.split("/"))).strip()
    except OSError:
        packed = _read(os.path.join(common, "packed-refs"))
    found = re.search(rf"^([0-9a-f]+) {re.escape(name)}$", packed, re.MULTILINE)
    return found.group(1) if found else ""


def _read(path: str) -> str:
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()
