"""What admins write as rows: images, mounts, allowances, groups of users, facts about hosts."""

from typing import Protocol

from hai.core.allowance import Allowance, Membership
from hai.core.images import Image
from hai.core.rowset import Host, RowSet
from hai.core.storage import Storage
from hai.core.task import EventDraft


class Rows(Protocol):
    """The part of the store that these readers need. Lists are ordered by key."""

    async def put_rows(self, rows: RowSet, event: EventDraft) -> None:
        """Insert or replace all of them in one transaction, with one event. Tokens and
        memberships that are there stay as they are; a user keeps `created_at`."""

    async def memberships(self) -> list[Membership]: ...

    async def allowances(self) -> list[Allowance]: ...

    async def images(self) -> list[Image]: ...

    async def storage(self) -> list[Storage]: ...

    async def hosts(self) -> list[Host]: ...

    # Each says False, and writes no event, if there is no such row.
    async def remove_image(self, name: str, event: EventDraft) -> bool:
        """With the allowances for it."""

    async def remove_storage(self, name: str, event: EventDraft) -> bool: ...

    async def remove_allowance(self, owner: str, resource: str, event: EventDraft) -> bool: ...

    async def remove_membership(self, member: str, group: str, event: EventDraft) -> bool: ...
