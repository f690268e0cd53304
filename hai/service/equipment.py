"""What one worker is given besides its node: image, mounts, Unix groups, capabilities."""

from dataclasses import dataclass

from hai.core.allowance import capabilities, privileges, unix_groups
from hai.core.facts import facts_of
from hai.core.identity import User
from hai.core.images import Image, image_for
from hai.core.mounts import Mount
from hai.core.node import Node
from hai.core.storage import mounts_for
from hai.core.task import Task
from hai.errors import PlatformError
from hai.service.rowbook import RowBook


@dataclass(frozen=True, slots=True)
class WorkerEquipment:
    """The same fields as in hai.ports.WorkerLaunch."""

    gid: int | None = None
    groups: tuple[int, ...] = ()
    image: Image | None = None
    mounts: tuple[Mount, ...] = ()
    capabilities: frozenset[str] = frozenset()
    privileges: frozenset[str] = frozenset()


class Equipment:
    """Resolves rows for workers whose launcher takes images."""

    def __init__(self, rows: RowBook) -> None:
        self._rows = rows

    async def of(self, task: Task, user: User | None, node: Node, rank: int) -> WorkerEquipment:
        """PlatformError when a row cannot be had for this worker: it can never start."""
        if user is None:
            return WorkerEquipment()
        written = await self._rows.written()
        amounts = written.amounts(user, self._rows.now())
        facts = facts_of(user, task, node, rank)
        try:
            return WorkerEquipment(
                gid=user.gid,
                groups=unix_groups(amounts),
                image=image_for(_image_of(task), written.images, amounts),
                mounts=mounts_for(written.storage, facts, user.owns_as),
                capabilities=capabilities(amounts),
                privileges=privileges(amounts),
            )
        except ValueError as error:
            raise PlatformError(str(error), hint="ask an admin of this platform") from None


def _image_of(task: Task) -> str:
    resource = task.spec.get("resource")
    return str(resource.get("image") or "default") if isinstance(resource, dict) else "default"
