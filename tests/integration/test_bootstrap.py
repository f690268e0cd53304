"""An admin's document and nodes that it does not name."""

from hai.core.node import Node
from hai.core.types import GroupName, NodeName
from hai.server.compose import Platform
from hai.service.bootstrap import Bootstrap

DOCUMENT = {"groups": [{"name": "training"}], "nodes": [], "replace_nodes": True}
OF_CLUSTER = Node(NodeName("node1"), GroupName("training"), "kubernetes")
OF_DOCUMENT = Node(NodeName("old-0"), GroupName("training"), "hollow")


async def names_after(platform: Platform, **options: list[str]) -> set[str]:
    services = platform.services
    bootstrap = Bootstrap(platform.store, services.users, services.clock, **options)
    await bootstrap.apply({**DOCUMENT, "replace_nodes": False})
    await platform.store.put_nodes([OF_CLUSTER, OF_DOCUMENT], services.clock.now())
    await bootstrap.apply(DOCUMENT)
    return {node.name for node in await platform.store.nodes()}


async def test_nodes_that_the_document_does_not_name_go(platform: Platform) -> None:
    assert await names_after(platform) == set()


async def test_nodes_of_a_cluster_stay(platform: Platform) -> None:
    assert await names_after(platform, joining=["kubernetes"]) == {"node1"}
