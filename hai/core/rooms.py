"""Placement on shared nodes: several containers on one node, each with its part of it. Pure.

Best fit by the scarcest resource: of the nodes that have room, the one that has least left of what
is scarcest in the group once the container is there, so that large parts stay whole and a
container without GPUs does not use up nodes with free ones.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from hai.core.node import Node
from hai.core.resources import NOTHING, Place, Resources, of_node, short_of, total
from hai.core.types import NodeName


@dataclass(slots=True)
class Room:
    """One node: what it has, what is free of it, which of its GPUs are free (ascending)."""

    name: NodeName
    has: Resources
    free: Resources
    gpus: list[int]
    kept: Resources | None = None  # for a claim that does not fit yet: what it asks for

    def admits(self, asks: Resources) -> bool:
        """Whether it fits, and takes nothing from whom the node is kept for."""
        if not self.free.covers(asks) or len(self.gpus) < asks.gpus:
            return False
        return self.kept is None or all(
            not asked or (there >= wanted and there - asked >= wanted)
            for there, wanted, asked in zip(self.free, self.kept, asks, strict=True)
        )


@dataclass(slots=True)
class Rooms:
    """The healthy nodes of one group. Whoever is placed holds its part at once."""

    rooms: dict[NodeName, Room] = field(default_factory=dict)

    @classmethod
    def of(cls, nodes: Iterable[Node]) -> "Rooms":
        rooms = cls()
        for node in sorted(nodes, key=lambda node: node.name):
            has = of_node(node)
            rooms.rooms[node.name] = Room(node.name, has, has, list(range(node.gpus)))
        return rooms

    def hold(self, name: NodeName, asks: Resources | None, gpus: Collection[int] = ()) -> None:
        """Somebody holds a part of the node, or (None) all of it. A node that is not here, or has
        less than it had, gives nothing."""
        room = self.rooms.get(name)
        if room is None:
            return
        if asks is None:
            room.free, room.gpus = NOTHING, []
            return
        room.free = Resources(*(max(0, left) for left in room.free.minus(asks)))
        taken = set(gpus)
        room.gpus = [index for index in room.gpus if index not in taken]

    def place(
        self, asks: Resources | None, count: int, knows: Sequence[NodeName] = ()
    ) -> tuple[Place, ...] | None:
        """`count` different nodes with room, rank 0 first; None if there are not so many. Who asks
        for nothing gets whole nodes, on which nobody is."""
        fitting = [room for room in self.rooms.values() if self._fits(room, asks)]
        if len(fitting) < count:
            return None
        order = self._scarcest_first()
        known = {name: at for at, name in enumerate(knows)}

        def key(room: Room) -> tuple[object, ...]:
            left = room.free.minus(asks or room.has)
            return known.get(room.name, len(known)), *(left[at] for at in order), room.name

        chosen = sorted(fitting, key=key)[:count]
        return tuple(self._take(room, asks) for room in chosen)

    def keep(self, asks: Resources, count: int) -> list[Room]:
        """Keep the nodes where least is missing for a claim that does not fit: nobody who comes
        later takes there what it waits for. What these nodes are, the nearest first."""
        able = [room for room in self.rooms.values() if room.has.covers(asks)]
        nearest = sorted(able, key=lambda room: (_missing(room, asks), room.name))[:count]
        for room in nearest:
            room.kept = asks
        return nearest

    def nearest(self, asks: Resources) -> Room | None:
        """Of the nodes without room, the one where least is missing."""
        rooms = [room for room in self.rooms.values() if not room.free.covers(asks)]
        return min(rooms, key=lambda room: (_missing(room, asks), room.name), default=None)

    def _fits(self, room: Room, asks: Resources | None) -> bool:
        if asks is None:
            return room.free == room.has and room.kept is None
        return room.admits(asks)

    def _take(self, room: Room, asks: Resources | None) -> Place:
        taken = tuple(room.gpus[: room.has.gpus if asks is None else asks.gpus])
        self.hold(room.name, asks, taken)
        return Place(room.name, taken)

    def _scarcest_first(self) -> list[int]:
        """Resources by the part of them that is free in the whole group, the smallest first."""
        has = total(room.has for room in self.rooms.values())
        free = total(room.free for room in self.rooms.values())
        parts = [left / all_ if all_ else 1.0 for left, all_ in zip(free, has, strict=True)]
        return sorted(range(len(parts)), key=lambda at: (parts[at], -at))


def _missing(room: Room, asks: Resources) -> tuple[int, float]:
    """How many resources the whole node is short of, and the largest part of what is asked for that
    is not free."""
    parts = [
        (wanted - there) / wanted
        for there, wanted in zip(room.free, asks, strict=True)
        if there < wanted
    ]
    return len(short_of(room.has, asks)), max(parts, default=0.0)
