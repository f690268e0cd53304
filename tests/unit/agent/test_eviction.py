"""What an agent makes of a SIGTERM that is not its server's."""

from hai.agent.eviction import Eviction


def test_without_a_cluster_there_is_no_time() -> None:
    assert Eviction(0.0, print).is_over(10.0, 5.0)


def test_a_cluster_gives_all_but_what_the_end_takes() -> None:
    said: list[str] = []
    eviction = Eviction(30.0, said.append)
    assert not eviction.is_over(100.0, 5.0)
    assert not eviction.is_over(122.9, 5.0)
    assert eviction.is_over(123.0, 5.0)
    assert said == ["the cluster asks this container to leave"]
