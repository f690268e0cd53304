"""Sums over the model that several screens and the header need."""

from collections.abc import Mapping
from dataclasses import dataclass

from hai.tui.cluster_lines import GroupTotals, group_totals, total_of
from hai.tui.model import Holders, Model


@dataclass(frozen=True, slots=True)
class Totals:
    """Of one version of the model: which tasks hold each node, and the counts of every group."""

    version: int
    holders: Mapping[str, Holders]
    groups: list[GroupTotals]
    total: GroupTotals

    @classmethod
    def of(cls, model: Model) -> "Totals":
        holders = model.holders()
        groups = group_totals(model, holders)
        return cls(model.version, holders, groups, total_of(groups))
