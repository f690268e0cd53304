"""The shape of the cluster: what a submission is checked against."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from hai.core.allowance import Allowance
from hai.core.container_quota import ContainerLimits
from hai.core.quota import QuotaTable
from hai.core.resources import Resources
from hai.core.types import GroupName, UserName


@dataclass(frozen=True, slots=True)
class Shape:
    """What a submit is checked against: nodes per group (of any health), quotas, and for each group
    the launchers that know no images. `programs`: groups where tasks are more than pretended."""

    group_sizes: Mapping[GroupName, int]
    quotas: QuotaTable
    imageless: Mapping[GroupName, frozenset[str]] = field(default_factory=dict)
    programs: frozenset[GroupName] = frozenset()
    nodes: Mapping[GroupName, tuple[Resources, ...]] = field(default_factory=dict)  # what each has
    containers: Mapping[tuple[UserName, GroupName], ContainerLimits] = field(default_factory=dict)
    service_rows: tuple[Allowance, ...] = ()  # who may declare services of their own
