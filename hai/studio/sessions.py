"""Who is logged in: one session per visitor, bound to the token that was given, in memory only."""

import secrets
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """`visitors`: dashboards that run at once. `idle_seconds` without a key, then it is over.
    A user who has the most of them makes room for whoever has none."""

    visitors: int = 20
    sessions: int = 200
    user_sessions: int = 10  # one more ends the oldest of the same user
    idle_seconds: float = 1800.0
    age_seconds: float = 43_200.0


@dataclass(slots=True, eq=False)
class LoginSession:
    """The token never leaves this process but through the pipe to the visitor's own dashboard."""

    id: str
    user: str
    token: str = field(repr=False)
    began: float = 0.0
    used: float = 0.0


class LoginSessions:
    """By the id in the visitor's cookie. `clock` gives seconds that only grow."""

    def __init__(self, limits: SessionLimits, clock: Callable[[], float]) -> None:
        self.limits = limits
        self._clock = clock
        self._known: dict[str, LoginSession] = {}

    @property
    def user_visitors(self) -> int:
        """Dashboards of one user at once: a quarter of all."""
        return max(1, self.limits.visitors // 4)

    def begin(self, user: str, token: str) -> tuple[LoginSession | None, list[LoginSession]]:
        """The new session, None when there are too many; and those that it takes the place of."""
        self._sweep()
        over: list[LoginSession] = []
        mine = self.of(user)
        if len(mine) >= self.limits.user_sessions:
            over = mine[: len(mine) - self.limits.user_sessions + 1]
        elif len(self._known) >= self.limits.sessions:
            one = spare(self._known.values(), user)
            if one is None:
                return None, []
            over = [one]
        for old in over:
            self.end(old)
        now = self._clock()
        session = LoginSession(secrets.token_urlsafe(32), user, token, now, now)
        self._known[session.id] = session
        return session, over

    def of(self, user: str) -> list[LoginSession]:
        """All of a user's, oldest first."""
        return [session for session in self._known.values() if session.user == user]

    def find(self, id: str) -> LoginSession | None:
        """The session if it is still good."""
        session = self._known.get(id)
        if session is not None and self.is_over(session):
            self.end(session)
            return None
        return session

    def touch(self, session: LoginSession) -> None:
        """The visitor did something."""
        session.used = self._clock()

    def is_over(self, session: LoginSession) -> bool:
        now = self._clock()
        limits = self.limits
        too_old = now - session.began > limits.age_seconds
        return too_old or now - session.used > limits.idle_seconds or session.id not in self._known

    def end(self, session: LoginSession) -> None:
        self._known.pop(session.id, None)

    def _sweep(self) -> None:
        for session in list(self._known.values()):
            if self.is_over(session):
                self.end(session)


def spare(sessions: Iterable[LoginSession], newcomer: str) -> LoginSession | None:
    """The oldest of the user who has the most, when that is more than the newcomer would have."""
    known = list(sessions)
    counts = Counter(session.user for session in known)
    if not counts:
        return None
    user, most = counts.most_common(1)[0]
    if most <= counts[newcomer] + 1:
        return None
    return next(session for session in known if session.user == user)
