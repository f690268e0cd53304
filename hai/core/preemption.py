"""Who leaves when a better claim needs the nodes: the cheapest victims, and no more than needed.

Costs live in `_cost`. A victim counts at its standing: the level that it is charged at, or the
higher one at which it would come back to the line (an AUTO task whose user has gained room, a task
whose priority was raised). Without that, a task could be suspended for a claim that it then
preempts in its turn.
"""

from bisect import insort
from collections.abc import Iterable, Mapping

from hai.core.plan import Claim
from hai.core.quota import LEVELS, Ledger
from hai.core.types import NodeName, Priority, TaskId


def charged_level(claim: Claim) -> Priority:
    """The level that an active claim's nodes are booked at."""
    level = claim.priority if claim.charged is None else claim.charged
    return Priority.LOW if level is Priority.AUTO else level


class Victims:
    """Running claims of one group, by standing and cost.

    `gains` says which nodes each would free for others. What `take` returns is booked as leaving
    and never offered again.
    """

    def __init__(
        self,
        claims: Iterable[Claim],
        gains: Mapping[TaskId, tuple[NodeName, ...]],
        ledger: Ledger,
        now: float,
    ) -> None:
        self._gains = gains
        self._ledger = ledger
        self._now = now
        self._lines: dict[Priority, list[Claim]] = {level: [] for level in LEVELS}
        self._nodes = dict.fromkeys(LEVELS, 0)
        for claim in claims:
            standing = self._standing(claim)
            self._lines[standing].append(claim)
            self._nodes[standing] += len(gains[claim.task_id])
        for claims_there in self._lines.values():
            claims_there.sort(key=self._cost)

    def nodes_below(self, level: Priority) -> int:
        """Nodes that all victims of a claim at `level` would free together."""
        return sum(nodes for standing, nodes in self._nodes.items() if standing < level)

    def take(self, level: Priority, needed: int) -> list[Claim]:
        """The cheapest victims below `level` that free `needed` nodes, which must be possible."""
        candidates: list[tuple[Priority, Claim]] = []
        gain = 0
        for standing in (standing for standing in reversed(LEVELS) if standing < level):
            for claim in self._lines[standing]:
                if gain >= needed:
                    break
                candidates.append((standing, claim))
                gain += len(self._gains[claim.task_id])
        chosen: list[tuple[Priority, Claim]] = []
        for standing, claim in reversed(candidates):  # the dearest may turn out unnecessary
            spare = gain - len(self._gains[claim.task_id])
            if spare >= needed:
                gain = spare
            else:
                chosen.append((standing, claim))
        chosen.reverse()
        self._remove(candidates, {claim.task_id for _, claim in chosen})
        return [claim for _, claim in chosen]

    def _remove(self, scanned: list[tuple[Priority, Claim]], chosen: set[TaskId]) -> None:
        """`scanned` are the first claims of their lines: only those are rebuilt."""
        for level in {standing for standing, _ in scanned}:
            seen = [claim for standing, claim in scanned if standing is level]
            kept = [claim for claim in seen if claim.task_id not in chosen]
            self._lines[level][: len(seen)] = kept
        for standing, claim in scanned:
            if claim.task_id in chosen:
                self._nodes[standing] -= len(self._gains[claim.task_id])
        for _, claim in scanned:
            if claim.task_id in chosen:
                self._book_leaving(claim)

    def _book_leaving(self, victim: Claim) -> None:
        """The room that the victim gives back may raise the standing of its user's other tasks."""
        freed = charged_level(victim)
        self._ledger.account(victim.user, victim.group).leaving[freed] += len(victim.holds)
        for level in LEVELS:
            if level >= freed:
                continue
            mine = [claim for claim in self._lines[level] if claim.user == victim.user]
            for claim in mine:
                self._move(claim, level, self._standing(claim))

    def _move(self, claim: Claim, before: Priority, after: Priority) -> None:
        if before is after:
            return
        self._lines[before].remove(claim)
        insort(self._lines[after], claim, key=self._cost)
        self._nodes[before] -= len(self._gains[claim.task_id])
        self._nodes[after] += len(self._gains[claim.task_id])

    def _standing(self, claim: Claim) -> Priority:
        charged = charged_level(claim)
        if claim.priority is charged:
            return charged
        account = self._ledger.account(claim.user, claim.group)
        later = account.level_later(claim.priority, claim.nodes)
        return charged if later is None else max(charged, later)

    def _cost(self, claim: Claim) -> tuple[float, int, int]:
        """Least work lost first (seconds since the attempt began), then fewest nodes, newest."""
        ran_seconds = 0.0 if claim.since is None else max(0.0, self._now - claim.since)
        return ran_seconds, len(claim.holds), -claim.task_id
