"""Pushes when files change. The tree is looked at again and again (sizes, times and inodes, no
contents): that needs no library, sees changes that come over a network file system, and is bounded
by a share of the processor's time."""

import time
from collections.abc import Callable, Iterator

from hai.errors import Conflict, HaiError, Unreachable
from haiworkspace.listing import list_tree
from haiworkspace.plan import SyncPlan
from haiworkspace.records import Workspace
from haiworkspace.workspace import TransferOptions, push, read_rules

LEAST_SECONDS = 0.5  # between two looks
_SHARE = 0.1  # of one processor, for looking


def watch(
    workspace: Workspace,
    options: TransferOptions,
    say: Callable[[str], None],
    wait: Callable[[float], object] = time.sleep,
) -> Iterator[SyncPlan]:
    """Pushes now and after each change, when it has been quiet for one look; for ever. A conflict,
    or a remote that is away, is told and tried again after the next change, or the next look."""
    pushed: object = None
    before: object = None
    while True:
        started = time.monotonic()
        seen = _signature(workspace, options)
        if seen != pushed and (seen == before or pushed is None):
            try:
                yield push(workspace, options)
                pushed = seen
            except Conflict as error:
                _tell(error, say)
                pushed = seen
            except Unreachable as error:
                _tell(error, say)
        before = seen
        wait(max(LEAST_SECONDS, (time.monotonic() - started) / _SHARE))


def _signature(workspace: Workspace, options: TransferOptions) -> object:
    rules = read_rules(workspace.local, use_files=options.use_ignore_files)
    tree = list_tree(workspace.local, rules, None)
    return tree.entries, tree.directories


def _tell(error: HaiError, say: Callable[[str], None]) -> None:
    say(f"{error.message}; {error.hint}" if error.hint else error.message)
