"""Signs of use of a dev container, by tables and by hand-made times."""

import pytest

from hai.agent.quiet import CPU, GPU, INPUT, KERNELS, CpuUse, IdleSignals, InputUse, KernelUse


def kernel(name: str, state: str, at: str, connections: int = 0) -> dict[str, object]:
    return {
        "id": name,
        "execution_state": state,
        "last_activity": at,
        "connections": connections,
    }


def test_each_signal_is_quiet_for_itself() -> None:
    quiet = IdleSignals([KERNELS, CPU, INPUT], 100.0)
    assert quiet.seconds(110.0) == {KERNELS: None, CPU: None, INPUT: None}
    for signal in (KERNELS, CPU, INPUT, GPU):
        quiet.saw(signal, 110.0, False)
    assert quiet.seconds(130.0) == {KERNELS: 20.0, CPU: 20.0, INPUT: 20.0}, "since the first look"
    quiet.saw(CPU, 130.0, True)
    quiet.saw(KERNELS, 130.0, None)
    assert quiet.seconds(135.0) == {KERNELS: None, CPU: 0.0, INPUT: 25.0}, "used till the next look"
    quiet.saw(KERNELS, 140.0, False)
    quiet.saw(CPU, 140.0, False)
    assert quiet.seconds(150.0) == {KERNELS: 10.0, CPU: 10.0, INPUT: 40.0}
    quiet.saw(CPU, 160.0, False)
    assert quiet.seconds(160.0)[CPU] == 20.0


def test_a_busy_loop_is_seen_and_a_server_at_rest_is_not() -> None:
    busy, rest = CpuUse(), CpuUse()
    assert busy.take(0.0, 5.0) is None
    assert rest.take(0.0, 5.0) is None
    for at in range(5, 300, 5):
        assert busy.take(float(at), 5.0 + at) is True
        assert rest.take(float(at), 5.0 + 0.02 * at) is False


def test_a_burst_counts_for_a_minute() -> None:
    use = CpuUse()
    use.take(0.0, 0.0)
    assert use.take(5.0, 7.0) is True
    seen = [use.take(float(at), 7.0) for at in range(10, 101, 5)]
    assert seen == [True] * 11 + [False] * 8, "7 s of CPU are a tenth of a minute, and not of more"


@pytest.mark.parametrize(
    ("first", "then", "is_used"),
    [
        ([], [], False),
        ([kernel("a", "idle", "1")], [kernel("a", "idle", "1")], False),
        ([kernel("a", "idle", "1")], [kernel("a", "idle", "1", connections=3)], False),
        ([kernel("a", "idle", "1")], [kernel("a", "idle", "2")], True),  # ran between two looks
        ([kernel("a", "idle", "1")], [kernel("a", "busy", "1")], True),
        ([kernel("a", "busy", "1")], [kernel("a", "busy", "1")], True),
        ([kernel("a", "dead", "1")], [kernel("a", "dead", "1")], False),
        ([], [kernel("a", "starting", "1")], True),
        ([kernel("a", "idle", "1")], [], False),
        ([], {"message": "forbidden"}, None),
        ([], None, None),
        ([], ["a"], None),
    ],
)
def test_kernels(first: object, then: object, is_used: bool | None) -> None:
    use = KernelUse()
    use.take(first)
    assert use.take(then) is is_used


def test_input() -> None:
    use = InputUse()
    assert use.take({"/dev/pts/1": 5}) is True, "somebody has just opened it"
    assert use.take({"/dev/pts/1": 5}) is False
    assert use.take({"/dev/pts/1": 6}) is True
    assert use.take({}) is False
