"""What rows add to the nodes of a cluster."""

from dataclasses import replace

from hai.core.node import Node
from hai.core.rowset import Host, with_host
from hai.core.types import GroupName, NodeName

NODE = Node(NodeName("n"), GroupName("g"), "kubernetes", gpus=8)


def test_a_row_tells_the_zone_where_the_cluster_does_not() -> None:
    assert with_host(NODE, None) == NODE
    assert with_host(NODE, Host("n", zone="A", room="r")) == replace(NODE, zone="A")
    assert with_host(NODE, Host("n", room="r", group="other")) == replace(NODE, zone="r")
    labelled = replace(NODE, zone="B")
    assert with_host(labelled, Host("n", zone="A")) == labelled
