"""plan(state, now) -> Plan: who starts where, who leaves for whom, why the first in line waits.

Who has had its time at ABOVE_NORMAL falls first, so that nobody gets what another is owed a moment
later. Groups are independent. In each group the levels are served from the highest to the lowest.
Within a level come first those for whom somebody was suspended already, then users who have waited
for longer than the policy's patience, then users in the order of their shares; within a user, the
user's own order.

A claim that fits the free nodes starts, with a slice. One that fits once others have left (they
leave already, or they are victims: lower levels, backfill, and equals of other users whose slice is
over and whose turn comes later) gets those nodes set aside and starts on a later tick: the
two-phase hand-over. The first claim of a level that does not fit even so is its head: the nodes
that come free are reserved for it. (One that higher levels, those who would come back there, or its
own user's tasks keep out whatever its equals do is passed over.) The rest of its level may run in
its shadow, as backfill; lower levels may use the nodes too, and are its victims when it fits. Tasks
of its own user do so where that costs it neither its quota nor its turn.

Every decision is tried on the state at once, so what one claim got no other one sees; in the end
the state is as it was.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from hai.core.assume.assumed import Assumed, assuming
from hai.core.assume.transaction import demoted
from hai.core.group import GroupState
from hai.core.inventory.nodes import Zones
from hai.core.plan import Claim, Demotion, Plan, Start, Suspend
from hai.core.preemption.victims import Hold
from hai.core.queue.heads import Answer, Head, KeptOut, Price
from hai.core.quota import LEVELS
from hai.core.reasons.kinds import Behind, Handover, NoFreeNodes, QuotaExceeded, Reason
from hai.core.shared_groups import Shared, serve
from hai.core.spot import spot_starts
from hai.core.state import SchedulerState
from hai.core.types import Keeper, Loss, Priority, TaskId

__all__ = ["plan"]


def plan(state: SchedulerState, now: float) -> Plan:
    """Decide one tick at `now` (Unix seconds; the state is brought up to it).

    The answer depends on the state alone, not on how it came about. Costs O(decisions), whatever
    the number of waiting claims.
    """
    state.advance(now)
    demotions = tuple(Demotion(task_id, Priority.NORMAL) for task_id in sorted(state.demotable))
    decisions = _Decisions()
    if state.has_waiting:
        waiting = [group for _, group in sorted(state.groups.items()) if len(group.queue)]
        with demoted(state, demotions):
            for group in waiting:
                if group.is_shared:
                    decisions.add(serve(state, group))
            with assuming(state) as assumed:
                for group in waiting:
                    if not group.is_shared:
                        _GroupTick(state, group, assumed, decisions).serve()
                decisions.starts += spot_starts(state, assumed)
    return Plan(
        starts=tuple(decisions.starts),
        suspends=tuple(decisions.suspends),
        demotions=demotions,
        handovers=tuple(decisions.handovers),
        reasons=decisions.reasons,
    )


@dataclass(slots=True)
class _Decisions:
    starts: list[Start] = field(default_factory=list)
    suspends: list[Suspend] = field(default_factory=list)
    handovers: list[Start] = field(default_factory=list)
    reasons: dict[TaskId, Reason] = field(default_factory=dict)

    def add(self, shared: Shared) -> None:
        self.starts += shared.starts
        self.reasons |= shared.reasons


class _GroupTick:
    """One group's part of a tick."""

    def __init__(
        self, state: SchedulerState, group: GroupState, assumed: Assumed, decisions: _Decisions
    ) -> None:
        self._state = state
        self._policy = state.policy
        self._now = state.now
        self._group = group
        self._inventory = group.inventory
        self._queue = group.queue
        self._assumed = assumed
        self._decisions = decisions
        queue = group.queue
        self._promised = [queue.claim(task) for task in sorted(state.promised) if task in queue]
        self._heads: list[Head] = []  # of the levels served so far

    def serve(self) -> None:
        for level in LEVELS:
            self._queue.let_fall(level)
            if not self._queue.has_any(level):
                continue
            kept_out = KeptOut(self._inventory.widest)
            head = self._serve_level(level, kept_out)
            if head is not None and not self._policy.preemption:
                return  # whoever started below would stand in its way for as long as it likes
            if head is not None:
                self._heads.append(Head(level, head, kept_out))
            if self._policy.backfill and (head is not None or kept_out.firsts):
                self._backfill(level, head, kept_out)

    def _serve_level(self, level: Priority, kept_out: KeptOut) -> Claim | None:
        """Start and hand over until a claim does not fit: that one is the head."""
        for claim in self._in_order(level, kept_out):
            if self._decide(claim, level, kept_out) is not Answer.FITS_NOWHERE:
                continue
            keeper = self._kept_out_by(claim, level)
            self._wait(claim, self._no_free_nodes(claim, level, keeper))
            if keeper is None:
                return claim
            kept_out.add(claim, keeper)
        return None

    def _in_order(self, level: Priority, kept_out: KeptOut) -> Iterator[Claim]:
        """The level's claims in the order of service; each was decided when the next is asked."""
        for claim in self._promised:
            if claim.priority in (level, Priority.AUTO) and self._queue.is_at(claim.task_id, level):
                yield claim
        yield from self._overdue(level, kept_out)
        while (first := self._queue.in_turn(level, kept_out.widest, kept_out.passed)) is not None:
            yield first

    def _overdue(self, level: Priority, kept_out: KeptOut) -> Iterator[Claim]:
        for user in self._queue.overdue(level, self._overdue_since):
            if kept_out.widest < self._queue.narrowest(level):
                return
            claim = self._queue.head_of(user, level)
            if claim is not None and kept_out.lets_stand(claim):
                yield claim

    @property
    def _overdue_since(self) -> float:
        return self._now - self._policy.patience_seconds

    def _decide(self, claim: Claim, level: Priority, kept_out: KeptOut) -> Answer:
        """One that would cost its user's own what comes before it stands back, unless somebody was
        suspended for it."""
        is_owed = claim.task_id in self._state.promised
        price = None if is_owed else self._own_before(claim, level, kept_out)
        heads = self._heads
        zones = self._inventory.zones_for(claim.nodes, claim.knows)
        if price is None and zones is not None and not is_owed:
            price, heads = self._turn_price(claim, level, zones, backfill=False)
        if price is not None:
            self._stay(claim, level, price, kept_out)
        elif zones is not None and self._exceeds_quota(claim, level):
            kept_out.settle(claim)
        elif zones is not None:
            self._heads = heads
            self._start(claim, level, zones, backfill=False)
            return Answer.STARTS
        elif (found := self._room_by_leavers(claim, level)) is not None:
            self._hand_over(claim, level, *found)
            return Answer.GETS_HANDOVER
        else:
            return Answer.FITS_NOWHERE
        return Answer.STANDS_BACK

    def _own_before(self, claim: Claim, level: Priority, kept_out: KeptOut) -> Price | None:
        """What of its user's own comes before it and waits for the user's own tasks: for their
        nodes, or for their quota."""
        first = kept_out.firsts.get(claim.user)
        if first is not None:
            return Price(first.task_id, Loss.NODES)
        short = self._group.short_of_quota(claim, level)
        return None if short is None else Price(short, Loss.QUOTA)

    def _stay(self, claim: Claim, level: Priority, price: Price, kept_out: KeptOut) -> None:
        """It does not start by right."""
        if price.loss is Loss.NODES and self._policy.backfill:
            kept_out.passed.add(claim.task_id)  # it may run as backfill
            return
        kept_out.settle(claim)
        self._stand_back(claim, level, price)

    def _exceeds_quota(self, claim: Claim, level: Priority) -> bool:
        """Nodes are free, and there is no room: its user's others hold nodes that are no longer the
        group's."""
        quota = self._group.user_quota(claim.user)
        limit, used, needed = quota.limits[level], quota.used[level], claim.nodes
        if used + needed <= limit:
            return False
        group = self._group.name
        self._wait(
            claim, QuotaExceeded(group=group, level=level, needed=needed, limit=limit, used=used)
        )
        return True

    def _room_by_leavers(self, claim: Claim, level: Priority) -> tuple[Zones, list[Claim]] | None:
        """Where it fits once those have left who do, and these victims; None if nowhere."""
        for zones, needed in self._inventory.options(claim.nodes):
            victims = self._victims(claim, level, zones, needed)
            if victims is not None:
                return zones, victims
        return None

    def _kept_out_by(self, claim: Claim, level: Priority) -> Keeper | None:
        """Who would keep it out even if every slice were over. If such a claim were the head, the
        rest of its level could take no turns for as long as those run."""
        if not self._policy.preemption:
            return None
        keeper = Keeper.HIGHER
        running = self._group.running
        for zones, missing in self._inventory.options(claim.nodes):
            short = missing - running.reach_later(level, zones)
            short += self._group.requeue.nodes_above(claim.user, level, zones)
            if short + running.held_by(claim.user, level, zones) <= 0:
                return None
            if short <= 0:
                keeper = Keeper.OWN
        return keeper

    def _victims(
        self, claim: Claim, level: Priority, zones: Zones, needed: int
    ) -> list[Claim] | None:
        """Who has to leave besides those who do; None if that is not enough."""
        if needed <= 0:
            return []
        if not self._policy.preemption:
            return None
        shares = self._group.fair_share
        share = shares.key(claim.user)
        is_due = claim.task_id in self._state.promised or self._queue.is_overdue(
            claim.user, level, self._overdue_since
        )

        def may_take(victim: Claim, stands_at: Priority, hold: Hold) -> bool:
            if stands_at is level and hold is not Hold.BACKFILL:
                if victim.user == claim.user:
                    return False
                if not is_due and shares.key(victim.user) <= share:
                    return False
            return not self._group.requeue.is_above(victim, level)

        return self._group.running.victims(level, zones, needed, may_take)

    def _start(self, claim: Claim, level: Priority, zones: Zones, *, backfill: bool) -> None:
        nodes = self._inventory.choose(claim.nodes, zones, claim.knows)
        start = Start(claim.task_id, nodes, level, backfill)
        self._decisions.starts.append(start)
        self._assumed.start(claim, start)

    def _hand_over(self, claim: Claim, level: Priority, zones: Zones, victims: list[Claim]) -> None:
        for victim in victims:
            self._decisions.suspends.append(Suspend(victim.task_id, claim.task_id))
            self._assumed.leave(victim)
        nodes = self._inventory.choose(claim.nodes, zones, claim.knows, with_leaving=True)
        leavers: set[TaskId] = set()
        for name in nodes:
            leavers.update(self._inventory.holders.get(name, ()))
        names, tasks = tuple(sorted(nodes)), tuple(sorted(leavers))
        self._wait(claim, Handover(group=self._group.name, level=level, nodes=names, tasks=tasks))
        handover = Start(claim.task_id, nodes, level)
        self._decisions.handovers.append(handover)
        self._assumed.start(claim, handover)

    def _backfill(self, level: Priority, head: Claim | None, kept_out: KeptOut) -> None:
        """Others of the level on the nodes that its head, or one whose user's own tasks keep it
        out, does not need yet."""
        skipped = set(kept_out.settled)
        if head is not None:
            skipped.add(head.task_id)
        refused: list[tuple[Claim, Price]] = []  # until somebody else has started
        while (widest := self._inventory.widest_free) > 0:
            claim = self._queue.in_turn(level, widest, skipped)
            if claim is None:
                break
            zones = self._inventory.zones_for(claim.nodes, claim.knows)
            if zones is None or self._exceeds_quota(claim, level):
                skipped.add(claim.task_id)
                continue
            price, heads = self._price(claim, level, zones, kept_out)
            if price is None:
                self._heads = heads
                self._start(claim, level, zones, backfill=True)
                skipped.difference_update(one.task_id for one, _ in refused)
                refused.clear()
            else:
                refused.append((claim, price))
                skipped.add(claim.task_id)
        for claim, price in refused:
            self._stand_back(claim, level, price)

    def _price(
        self, claim: Claim, level: Priority, zones: Zones, kept_out: KeptOut
    ) -> tuple[Price | None, list[Head]]:
        """What it would cost its user's own that come before it if it ran as backfill: the quota
        that they need, or a gang its turn. And the heads if it runs."""
        room = self._group.room_in_line(claim, level) - claim.nodes
        if room < self._inventory.widest:
            for first in self._own_firsts(claim, level, kept_out):
                if room < first.nodes:
                    return Price(first.task_id, Loss.QUOTA), self._heads
        short = self._group.short_of_quota(claim, level)
        if short is not None:
            return Price(short, Loss.QUOTA), self._heads
        return self._turn_price(claim, level, zones, backfill=True)

    def _own_firsts(self, claim: Claim, level: Priority, kept_out: KeptOut) -> Iterator[Claim]:
        """Those of its user's in the level's line that come before it and are to start next."""
        for head in self._heads:
            if head.level is level and head.claim.user == claim.user:
                yield head.claim
        if claim.user in kept_out.firsts:
            yield kept_out.firsts[claim.user]
        first = self._queue.head_of(claim.user, level)
        if first is not None and first.task_id not in {claim.task_id, *kept_out.settled}:
            yield first

    def _turn_price(
        self, claim: Claim, level: Priority, zones: Zones, *, backfill: bool
    ) -> tuple[Price | None, list[Head]]:
        """Whether a gang of its own user would lose its turn if it ran in the gang's shadow. That
        may be for another gang that waits, which is the head then, but not for somebody who fits,
        and would take these very nodes. And the heads if it runs."""
        own = [head for head in self._heads if head.claim.user == claim.user]
        if not own:
            return None, self._heads
        heirs: dict[Priority, Claim] = {}
        found = self._heirs(own, claim, level, zones, backfill=backfill)
        for head, heir in zip(own, found, strict=True):
            if heir is None:
                return Price(head.claim.task_id, Loss.TURN), self._heads
            heirs[head.level] = heir
        return None, [
            replace(head, claim=heirs.get(head.level, head.claim)) for head in self._heads
        ]

    def _heirs(
        self, heads: list[Head], claim: Claim, level: Priority, zones: Zones, *, backfill: bool
    ) -> list[Claim | None]:
        """Who comes first in place of these once the claim runs, as a victim for any of them."""
        nodes = self._inventory.choose(claim.nodes, zones, claim.knows)
        with self._assumed.starting(claim, Start(claim.task_id, nodes, level, backfill=True)):
            if not backfill:  # its user has not waited any more
                self._group.fair_share.start(claim.user, self._now)
            return [self._next_head(head) for head in heads]

    def _stand_back(self, claim: Claim, level: Priority, price: Price) -> None:
        group, needed, head = self._group.name, claim.nodes, price.first
        self._wait(
            claim, Behind(group=group, level=level, needed=needed, head=head, spares=price.loss)
        )

    def _next_head(self, head: Head) -> Claim | None:
        """The first of the level, but for those who are kept out; None if it fits."""
        kept_out = head.kept_out.copy()
        for first in self._in_order(head.level, kept_out):
            if first.task_id == head.claim.task_id:
                break
            if first.task_id in kept_out.passed:
                continue
            if self._own_before(first, head.level, kept_out) is not None:
                kept_out.passed.add(first.task_id)
                continue
            if self._fits(first, head.level):
                return None
            if self._kept_out_by(first, head.level) is None:
                return first
            kept_out.passed.add(first.task_id)
        return head.claim

    def _fits(self, claim: Claim, level: Priority) -> bool:
        """Whether it would get nodes if it were its turn."""
        if self._inventory.zones_for(claim.nodes, claim.knows) is not None:
            return True
        return self._room_by_leavers(claim, level) is not None

    def _no_free_nodes(self, claim: Claim, level: Priority, keeper: Keeper | None) -> NoFreeNodes:
        inventory = self._inventory
        zones = tuple(inventory.free)
        return NoFreeNodes(
            group=self._group.name,
            level=level,
            needed=claim.nodes,
            nodes=inventory.size,
            healthy=inventory.healthy,
            free=inventory.free_count,
            leaving=inventory.leaving_count,
            preemptible=self._group.running.reach(level, zones),
            kept_out_by=keeper,
        )

    def _wait(self, claim: Claim, reason: Reason) -> None:
        self._decisions.reasons[claim.task_id] = reason
