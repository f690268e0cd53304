"""Sums over the model that several screens and the header need."""

from collections.abc import Mapping
from dataclasses import dataclass

from hai.tui.cluster_lines import GroupFacts, group_facts, total_of
from hai.tui.model import Model, Task


@dataclass(frozen=True, slots=True)
class Facts:
    """Of one version of the model: who holds each node, and the counts of every group."""

    version: int
    holders: Mapping[str, Task]
    groups: list[GroupFacts]
    total: GroupFacts

    @classmethod
    def of(cls, model: Model) -> "Facts":
        holders = model.holders()
        groups = group_facts(model, holders)
        return cls(model.version, holders, groups, total_of(groups))
