"""What it costs to follow 10,000 pods, all of which change once."""

from scripts.benchmarks.kubernetes import PODS, measure

TRIES = 3  # others use the machine, too, and its caches


def test_10_000_pods_cost_no_more_than_promised() -> None:
    figures = measure(0, PODS, PODS)
    assert figures["memory_mib"] <= 150
    assert figures["peak_mib"] <= 150
    tries = [figures["cpu_seconds"]]
    while min(tries) > 3 and len(tries) < TRIES:
        tries.append(measure(0, PODS, PODS)["cpu_seconds"])
    assert min(tries) <= 3, tries
