"""What a loop of the leader knows of its term."""

from hai.ports import Leading


class Term:
    """One for each loop: asked at the start of every run. `number` is 0 while another process
    leads; `is_new` says that it is another one than in the run before."""

    def __init__(self, store: Leading) -> None:
        self._store = store
        self._since: float | None = None
        self.number = 0
        self.is_new = False

    async def holds(self) -> bool:
        """Whether this process leads; whatever was known of another term is forgotten."""
        number = await self._store.lead()
        self.is_new = number != self.number
        if self.is_new:
            self.number, self._since = number, None
        return bool(number)

    def since(self, steady: float) -> float:
        """Since when this loop has done its work in this term, in steady seconds of the clock: the
        first call says so, `steady` is now."""
        if self._since is None:
            self._since = steady
        return self._since
