from hai.agent.watchdog import Watchdog


def test_expires_after_its_limit_of_silence() -> None:
    watchdog = Watchdog(10.0, now=100.0)
    assert not watchdog.is_expired(109.9)
    assert watchdog.is_expired(110.0)
    watchdog.reset(109.0)
    assert not watchdog.is_expired(118.9)


def test_limit_may_change_while_it_runs() -> None:
    watchdog = Watchdog(10.0, now=0.0)
    watchdog.limit_seconds = 100.0
    assert not watchdog.is_expired(50.0)
    watchdog.limit_seconds = 0.0
    assert not watchdog.is_expired(1e9)
