"""The platform's own secrets: made once, kept in one Secret of the cluster."""

import base64
import hmac
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from urllib.parse import quote

from hai_up.userinfo import SeedUser


@dataclass(frozen=True, slots=True)
class PlatformSecrets:
    """`signing_key` signs workers' tokens; `admin_token` is hai-up's own way into the API."""

    postgres_password: str = field(repr=False)
    redis_password: str = field(repr=False)
    signing_key: str = field(repr=False)
    admin_token: str = field(repr=False)

    def data(self) -> dict[str, str]:
        """As in a Secret, with what programs want in another form."""
        texts = {name.replace("_", "-"): text for name, text in asdict(self).items()}
        texts["redis-password-quoted"] = quote(self.redis_password, safe="")
        return {name: encoded(text) for name, text in texts.items()}

    def fingerprint(self, text: str) -> str:
        """Tells a change of `text` and nothing about it."""
        return hmac.new(self.signing_key.encode(), text.encode(), "sha256").hexdigest()[:32]


MASKED = PlatformSecrets("(made by run)", "(made by run)", "(made by run)", "(made by run)")


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def made() -> PlatformSecrets:
    """New ones."""
    return PlatformSecrets(
        postgres_password=secrets.token_hex(24),
        redis_password=secrets.token_hex(24),
        signing_key=secrets.token_hex(24),
        admin_token=secrets.token_urlsafe(32),
    )


def read(data: Mapping[str, str]) -> PlatformSecrets:
    """Those of the Secret; what it lacks is made."""
    known = {name.replace("-", "_"): base64.b64decode(text).decode() for name, text in data.items()}
    names = {one.name for one in fields(PlatformSecrets)}
    return replace(made(), **{name: text for name, text in known.items() if name in names and text})


def with_given(known: PlatformSecrets, postgres: str, redis: str) -> PlatformSecrets:
    """Passwords that config.sh sets win."""
    return replace(
        known,
        postgres_password=postgres or known.postgres_password,
        redis_password=redis or known.redis_password,
    )


def user_token(known: PlatformSecrets, user: str) -> str:
    """The first token of a user who brought none: always the same, and nowhere written down."""
    digest = hmac.new(known.signing_key.encode(), f"user-token:{user}".encode(), "sha256").digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def with_tokens(users: Iterable[SeedUser], known: PlatformSecrets) -> tuple[SeedUser, ...]:
    """Users who brought no token get one."""
    return tuple(
        user if user.token else replace(user, token=user_token(known, user.name)) for user in users
    )
