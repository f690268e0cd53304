"""Who is logged in: one session per visitor, bound to the token that was given, in memory only."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Limits:
    """`visitors`: dashboards that run at once. `idle_seconds` without a key, then it is over."""

    visitors: int = 20
    sessions: int = 200
    idle_seconds: float = 1800.0
    age_seconds: float = 43_200.0


@dataclass(slots=True, eq=False)
class Session:
    """The token never leaves this process but through the pipe to the visitor's own dashboard."""

    id: str
    user: str
    token: str = field(repr=False)
    began: float = 0.0
    used: float = 0.0


class Sessions:
    """By the id in the visitor's cookie. `clock` gives seconds that only grow."""

    def __init__(self, limits: Limits, clock: Callable[[], float]) -> None:
        self.limits = limits
        self._clock = clock
        self._known: dict[str, Session] = {}

    def begin(self, user: str, token: str) -> Session | None:
        """None when there are too many."""
        self._sweep()
        if len(self._known) >= self.limits.sessions:
            return None
        now = self._clock()
        session = Session(secrets.token_urlsafe(32), user, token, now, now)
        self._known[session.id] = session
        return session

    def find(self, id: str) -> Session | None:
        """The session if it is still good."""
        session = self._known.get(id)
        if session is not None and self.is_over(session):
            self.end(session)
            return None
        return session

    def touch(self, session: Session) -> None:
        """The visitor did something."""
        session.used = self._clock()

    def is_over(self, session: Session) -> bool:
        now = self._clock()
        limits = self.limits
        too_old = now - session.began > limits.age_seconds
        return too_old or now - session.used > limits.idle_seconds or session.id not in self._known

    def end(self, session: Session) -> None:
        self._known.pop(session.id, None)

    def _sweep(self) -> None:
        for session in list(self._known.values()):
            if self.is_over(session):
                self.end(session)
