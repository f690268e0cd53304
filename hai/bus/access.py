"""How a Redis server is to be trusted, and how it trusts us."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from hai.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class RedisAccess:
    """`password_file` is read for each connection, so that a changed password counts from the next
    one on. `ca_file` (PEM) is by whom the certificate of a rediss:// server has to be signed;
    None: by one that the machine trusts. `username` "" is Redis' own "default"."""

    username: str = ""
    password: str = field(default="", repr=False)
    password_file: Path | None = None
    ca_file: Path | None = None

    def check(self, url: str) -> None:
        """InvalidInput for what can never work with this URL; names no secret."""
        has_password = bool(urlsplit(url).password)
        given = sum((has_password, bool(self.password), self.password_file is not None))
        if given > 1:
            raise InvalidInput(
                "[bus] names more than one password",
                hint="leave one of url's password, password and password_file",
            )
        if self.username and (has_password or not given):
            raise InvalidInput("[bus] username needs password or password_file beside it")
        if self.ca_file is not None and not url.startswith("rediss://"):
            raise InvalidInput("[bus] ca_file needs a url that begins with rediss:// (TLS)")
        for name, path in (("password_file", self.password_file), ("ca_file", self.ca_file)):
            if path is not None:
                _check_readable(name, path)
        if self.password_file is not None and not self.secret():
            raise InvalidInput(f"[bus] password_file: {self.password_file} is empty")

    def secret(self) -> str:
        """The password as it is now; OSError when its file cannot be read."""
        if self.password_file is None:
            return self.password
        return self.password_file.read_text("utf-8").strip()

    def credentials(self) -> tuple[str] | tuple[str, str]:
        """In the form of Redis' AUTH."""
        return (self.username, self.secret()) if self.username else (self.secret(),)

    @property
    def has_password(self) -> bool:
        return bool(self.password) or self.password_file is not None

    def tls(self, url: str) -> Mapping[str, object]:
        """The client's settings for a server with TLS: its certificate and name are checked."""
        if not url.startswith("rediss://"):
            return {}
        authority = None if self.ca_file is None else str(self.ca_file)
        return {
            "ssl_cert_reqs": "required",
            "ssl_check_hostname": True,
            "ssl_ca_certs": authority,
        }


ANYBODY = RedisAccess()  # neither password nor TLS of our own


def _check_readable(name: str, path: Path) -> None:
    try:
        with path.open("rb"):
            pass
    except OSError as error:
        raise InvalidInput(f"[bus] {name}: {path}: {error.strerror}") from None
