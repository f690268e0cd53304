"""Chooses the bus that the settings name."""

from hai.bus.access import ANYBODY, RedisAccess
from hai.bus.local import LocalBus
from hai.errors import InvalidInput
from hai.ports import Bus, Clock

_REDIS_SCHEMES = ("redis://", "rediss://", "unix://")


def open_bus(url: str, clock: Clock, access: RedisAccess = ANYBODY) -> Bus:
    """The bus behind `url`, not yet opened: "" in this process, redis:// (also rediss:// and
    unix://) a Redis server. InvalidInput for anything else; the URL may hold a password, so no
    message repeats it."""
    if not url:
        return LocalBus(clock)
    if url.startswith(_REDIS_SCHEMES):
        from hai.bus.redis import RedisBus  # late: only who uses Redis needs its client

        return RedisBus(url, clock, access)
    raise InvalidInput(
        "the bus URL is none that this server can use",
        hint='[bus] url is "" (in-process) or redis://HOST:PORT/DB',
    )
