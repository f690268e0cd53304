"""The store that a URL names; drivers are imported only when they are needed."""

from hai.errors import InvalidInput
from hai.ports import Store


def open_store(url: str, pool_size: int, *, may_lead: bool = True) -> Store:
    """A store that is not connected yet: call its open().

    `url` is `memory:` or `postgresql://...`; `pool_size` is the largest number of connections.
    With `may_lead=False` it never takes the leader's lease.
    InvalidInput when the URL makes no sense; its text is never repeated, it may hold a password.
    """
    scheme = url.partition(":")[0]
    if scheme == "memory":
        from hai.store.memory import MemoryStore

        return MemoryStore()
    if scheme in ("postgresql", "postgres"):
        from hai.store.postgres import PostgresStore

        return PostgresStore(url, pool_size, may_lead=may_lead)
    raise InvalidInput(
        "[store] url must begin with postgresql:// (or be memory:, which keeps nothing)",
        hint="for example postgresql://hai@db.example/hai",
    )
