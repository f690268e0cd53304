"""Who and where: ~/.hai/conf.yaml, readable by its owner only.

`HAI_CONF` names another file. A key that the file lacks comes from the environment: HAI_SERVER and
HAI_TOKEN, then the original's MARSV2_SERVER and MARSV2_USER_TOKEN. The file wins over them.
Runs on Python 3.8 and without pyyaml (then only plain `key: value` lines are understood).
"""

from __future__ import annotations

import json
import os
import re
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from hai.errors import AuthRequired, InvalidInput, PlatformError, Unreachable
from hai.files import write_whole

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

ENVIRONMENT = {
    "url": ("HAI_SERVER", "MARSV2_SERVER"),
    "token": ("HAI_TOKEN", "MARSV2_USER_TOKEN"),
}
# `key: word`, `key: "JSON text"`, a comment or nothing: both parsers read these the same way.
_PLAIN_LINE = re.compile(r'(#.*|\w+:( *| +[\w./@+=-][\w:./@+=-]*| +"[^"\\]*"))?\s*')
LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class Profile:
    """Empty text means: not known. The token never shows in a repr."""

    url: str = ""
    token: str = field(default="", repr=False)
    user: str = ""

    def require_url(self) -> str:
        """The server's URL; Unreachable when there is none."""
        if not self.url:
            raise Unreachable(
                "no server is configured",
                hint="`hai-up run -p local` starts one here; `hai-cli init --url URL` joins one",
            )
        return self.url

    def require_token(self) -> str:
        """The bearer token; AuthRequired when there is none."""
        if not self.token:
            raise AuthRequired(
                f"no token for {self.url or 'the server'} is configured",
                hint="run `hai-cli init`, or set HAI_TOKEN",
            )
        return self.token


def conf_path(environ: Mapping[str, str] | None = None) -> Path:
    """$HAI_CONF, or ~/.hai/conf.yaml."""
    environ = os.environ if environ is None else environ
    named = environ.get("HAI_CONF", "")
    return Path(named).expanduser() if named else Path.home() / ".hai" / "conf.yaml"


def load_profile(
    environ: Mapping[str, str] | None = None, warn: Callable[[str], None] | None = None
) -> Profile:
    """The profile in force. `warn` hears of a file that others can read.

    Raises InvalidInput when the file cannot be understood.
    """
    environ = os.environ if environ is None else environ
    path = conf_path(environ)
    found = _read(path, warn)
    for key, names in ENVIRONMENT.items():
        if not found.get(key):
            found[key] = next((environ[name] for name in names if environ.get(name)), "")
    url = normal_url(found["url"]) if found["url"] else ""
    return Profile(url=url, token=_header_safe(found["token"]), user=found.get("user", ""))


def save_profile(profile: Profile, path: Path) -> None:
    """Writes `path` with mode 0600, whole or not at all; makes its directory (0700) if needed."""
    lines = [
        f"{key}: {json.dumps(value)}\n"
        for key, value in (("url", profile.url), ("token", profile.token), ("user", profile.user))
        if value
    ]
    target = Path(os.path.realpath(path))  # a link to a dotfiles folder stays a link
    try:
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_whole(target, "".join(lines))
    except OSError as error:
        raise PlatformError(
            f"cannot write {path}: {error.strerror}", hint="HAI_CONF names another file"
        ) from error


def normal_url(text: str) -> str:
    """`text` as http(s)://host[:port][/path] without a trailing slash; InvalidInput otherwise.

    Without a scheme: http for this machine, https for any other.
    """
    text = text.strip()
    if "://" not in text:
        host = urlsplit("//" + text).hostname
        text = ("http://" if host in LOOPBACK else "https://") + text
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.hostname or len(text.split()) > 1:
        raise InvalidInput(f"{text!r} is no server URL", hint="it looks like http://127.0.0.1:7420")
    if parts.username is not None or parts.query or parts.fragment:
        raise InvalidInput(
            "a server URL has no user, password, query or fragment",
            hint="a token goes to `hai-cli init --token-stdin` or HAI_TOKEN",
        )
    return text.rstrip("/")


def _read(path: Path, warn: Callable[[str], None] | None) -> dict[str, str]:
    try:
        text = path.read_text(encoding="utf-8")
        mode = stat.S_IMODE(path.stat().st_mode)
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise InvalidInput(f"cannot read {path}: {why}", hint="run `hai-cli init` again") from None
    if mode & 0o077 and warn is not None:
        warn(f"{path} holds your token and others can read it: run `chmod 600 {path}`")
    if all(_PLAIN_LINE.fullmatch(line) for line in text.splitlines()):
        return _plain_lines(
            text, path
        )  # what we write ourselves; a YAML parser takes 15 ms to load
    try:
        import yaml
    except ImportError:
        return _plain_lines(text, path)
    try:
        values = yaml.safe_load(text)
    except yaml.YAMLError:
        values = False
    return _strings({} if values is None else values, path)


def _plain_lines(text: str, path: Path) -> dict[str, str]:
    found = {}
    for line in text.splitlines():
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        key, colon, value = line.partition(":")
        if not colon:
            raise _broken(path)
        value = value.strip()
        if value[:1] == '"':
            try:
                value = json.loads(value)
            except ValueError:
                raise _broken(path) from None
        found[key.strip()] = value.strip("'")
    return found


def _strings(values: object, path: Path) -> dict[str, str]:
    if not isinstance(values, dict):
        raise _broken(path)
    return {str(key): "" if value is None else str(value) for key, value in values.items()}


def _broken(path: Path) -> InvalidInput:
    return InvalidInput(
        f"{path} is not a list of `key: value` lines", hint="run `hai-cli init` to write it anew"
    )


def _header_safe(token: str) -> str:
    token = token.strip()
    if token and not all("!" <= char <= "~" for char in token):
        raise InvalidInput(
            "the configured token has blanks or control characters",
            hint="copy it again, then run `hai-cli init`",
        )
    return token
