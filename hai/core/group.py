"""What the scheduler knows of one group: its nodes, its line, its active claims, its users."""

import math

from hai.core.inventory.nodes import Gains, Inventory
from hai.core.lifecycle.claim_updates import starting
from hai.core.plan import Claim, Start
from hai.core.policy import Policy
from hai.core.preemption.requeue import Requeue
from hai.core.preemption.victims import ActiveClaims, Hold, defended_level
from hai.core.queue.fair_share import FairShare
from hai.core.queue.job_classes import FairShareKey
from hai.core.queue.ready import LevelOf, ReadyQueue
from hai.core.quota import QuotaTable, UserQuotas
from hai.core.types import GroupName, Priority, TaskId, UserName


def container_level(asked: Priority) -> Priority:
    """The level that a container stands and is charged at: nobody is before others by asking for
    more, since containers have no quota by priority."""
    return Priority.NORMAL if asked is Priority.AUTO else min(asked, Priority.NORMAL)


class GroupState:
    """The indexes of one group; state.py keeps them in step with the claims."""

    def __init__(self, name: GroupName, policy: Policy, quotas: QuotaTable, now: float) -> None:
        self.name = name
        self.is_shared = policy.shares_nodes(name)  # by containers: sharing.py decides there
        self.inventory = Inventory()
        self.fair_share = FairShare(policy, now)
        self.running = ActiveClaims(policy)
        self._user_quotas = UserQuotas(quotas, name)
        self.user_quota = self._user_quotas.user_quota  # what a user may hold and holds
        self.requeue = Requeue(self.user_quota)
        self.queue = ReadyQueue(self._room_of, self._key_of)

    def set_quotas(self, quotas: QuotaTable) -> None:
        """New limits; nothing is charged until `charge` says so again."""
        self._user_quotas.reset(quotas)

    def charge(self, claim: Claim) -> None:
        """Count an active claim's nodes against its user's quota."""
        self._charge(claim, len(claim.holds))

    def discharge(self, claim: Claim) -> None:
        self._charge(claim, -len(claim.holds))

    def _charge(self, claim: Claim, nodes: int) -> None:
        if claim.spot:
            return
        quota = self.user_quota(claim.user)
        quota.used[claim.level] += nodes
        if claim.state.is_leaving:
            quota.leaving[claim.level] += nodes
        self.requeue.refresh(claim.user)

    def settle(self, claim: Claim, now: float) -> None:
        """An active claim's nodes are held in the inventories: it is a possible victim."""
        if len(self.inventory.zones_of(claim.holds)) > 1:
            self.inventory.spanning.add(claim.task_id)
        if not claim.state.is_leaving:
            self._stand(claim, now)

    def unsettle(self, claim: Claim) -> None:
        self.inventory.spanning.discard(claim.task_id)
        self._lift(claim)

    def renew(self, claim: Claim, now: float) -> None:
        """Time may have changed how firmly it holds its nodes, or what it costs."""
        if self.running.is_stale(claim, now):
            self._lift(claim)
            self._stand(claim, now)

    def short_of_quota(self, claim: Claim, level: Priority) -> TaskId | None:
        """Which waiting claim of its user has a rank before this one's and no room at the level
        now, but would if the user's own tasks had ended."""
        quota = self.user_quota(claim.user)
        limit, room = quota.limits[level], quota.room(level)
        if limit >= self.inventory.size or room >= self.inventory.widest:
            return None
        return self.queue.ranked_before(claim, level, room, min(limit, self.inventory.widest))

    def room_in_line(self, claim: Claim, level: Priority) -> float:
        """How many nodes the claim's user may ask for at the level now."""
        quota = self.user_quota(claim.user)
        is_open = quota.limits[level] >= self.inventory.size
        return math.inf if is_open else quota.room(level)

    # decisions that are being tried

    def lend(self, claim: Claim, start: Start, now: float) -> Gains:
        """A claim that has just left its line holds these nodes for the rest of a tick; how many of
        each zone."""
        nodes = len(start.nodes)
        self._take(claim, start, nodes)
        self.fair_share.spend(claim.user, nodes, start.priority, now, by_right=not start.backfill)
        self.requeue.refresh(claim.user)
        gains = self.inventory.lend(start.nodes, claim.task_id)
        if start.backfill:  # anybody may have its nodes
            self._stand(starting(claim, start, now), now)
        else:
            self.running.reserve(claim.user, start.priority, gains)
            self.requeue.add(claim, start.priority, gains, is_firm=True)
        return gains

    def take_back(self, claim: Claim, start: Start, gains: Gains) -> None:
        """As it was before `lend` gave it these, but for the user's share."""
        self._take(claim, start, -len(start.nodes))
        self.requeue.refresh(claim.user)
        self.inventory.take_back(start.nodes, claim.task_id)
        if start.backfill:
            self._lift(claim)
        else:
            self.running.release(claim.user, start.priority, gains)
            self.requeue.remove(claim)

    def _take(self, claim: Claim, start: Start, nodes: int) -> None:
        if not claim.spot:
            self.user_quota(claim.user).used[start.priority] += nodes

    def see_off(self, victim: Claim) -> None:
        """An active claim leaves, and is not to be a victim again."""
        self._note_leaving(victim, len(victim.holds))
        self.requeue.refresh(victim.user)
        self._lift(victim)

    def call_back(self, victim: Claim, now: float) -> None:
        """As it was before `see_off`."""
        self._note_leaving(victim, -len(victim.holds))
        self.requeue.refresh(victim.user)
        self._stand(victim, now)

    def _note_leaving(self, victim: Claim, nodes: int) -> None:
        if not victim.spot:
            self.user_quota(victim.user).leaving[victim.level] += nodes

    def _stand(self, claim: Claim, now: float) -> None:
        gains = self.inventory.usable_in(claim.holds)
        is_firm = self.running.hold_of(claim, now) is not Hold.BACKFILL
        self.running.add(claim, gains, now)
        self.requeue.add(claim, defended_level(claim), gains, is_firm=is_firm)

    def _lift(self, claim: Claim) -> None:
        self.running.remove(claim.task_id)
        self.requeue.remove(claim)

    def _room_of(self, user: UserName) -> LevelOf:
        """Where a gang of the user could be served now; None while it cannot."""
        if self.is_shared:
            return lambda asked, _width: container_level(asked)
        widest, size = self.inventory.widest, self.inventory.size
        quota = self.user_quota(user)

        def level_of(asked: Priority, width: int) -> Priority | None:
            return quota.level_for(asked, width, size) if width <= widest else None

        return level_of

    def _key_of(self, user: UserName) -> FairShareKey:
        return FairShareKey(self.fair_share.key(user), self.fair_share.last_start(user))
