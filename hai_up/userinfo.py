"""USER_INFO of config.sh: the first users of a platform, on every provider. Pure."""

import re
from dataclasses import dataclass, field

from hai.errors import InvalidInput

FIRST_UID = 10020
LEAST_TOKEN = 16  # characters
USER_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,31}")


@dataclass(frozen=True, slots=True)
class SeedUser:
    """One of USER_INFO. `token` "": hai-up makes one."""

    name: str
    uid: int
    token: str = field(default="", repr=False)


def users_of(text: str) -> tuple[SeedUser, ...]:
    """user:uid[:token], with commas between; () for a blank text. InvalidInput names the entry."""
    if not text.strip():
        return ()
    users = tuple(_user(part.strip(), at) for at, part in enumerate(text.split(","), 1))
    for what in ("name", "uid"):
        seen = [getattr(user, what) for user in users]
        if len(set(seen)) != len(seen):
            raise InvalidInput(f"USER_INFO: two users have the same {what}")
    return users


def _user(text: str, at: int) -> SeedUser:
    """The entry's number is told, never its token."""
    name, _, rest = text.partition(":")
    uid, _, token = rest.partition(":")
    where, form = f"USER_INFO, entry {at}", "user:uid:token, or user:uid and hai-up makes a token"
    if not USER_NAME.fullmatch(name):
        raise InvalidInput(f"{where}: there is no good user name", hint=form)
    if not re.fullmatch(r"[1-9][0-9]{0,8}", uid):
        raise InvalidInput(f"{where} ({name}): the uid is no number above 0", hint=form)
    if token and set(token) <= {"x", "X", "*"}:
        raise InvalidInput(
            f"{where} ({name}): the token is only a placeholder",
            hint=f"USER_INFO={name}:{uid} and hai-up makes one",
        )
    if token and (len(token) < LEAST_TOKEN or not all("!" <= char <= "~" for char in token)):
        raise InvalidInput(
            f"{where} ({name}): the token is too short to be safe or not printable",
            hint=f"{LEAST_TOKEN} characters or more, or {name}:{uid} and hai-up makes one",
        )
    return SeedUser(name, int(uid), token)
