"""The variables of config.sh that mean the same wherever the platform is deployed, checked.

Every function takes the variables by name, and InvalidInput names the one that is wrong.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit, urlunsplit

from hai.errors import InvalidInput
from hai_up.userinfo import FIRST_UID, USER_NAME, SeedUser, users_of

NAMESPACE = "hai-platform"
FIRST_USER = "haiadmin"
LEAST_PASSWORD = 8

LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
PREFIX = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,40}[A-Za-z0-9])?")
GROUP = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,31}")
_NODE = re.compile(r"[a-z0-9]([-.a-z0-9]{0,251}[a-z0-9])?")
_ADDRESS = re.compile(r"[A-Za-z0-9]([-.A-Za-z0-9]{0,251}[A-Za-z0-9])?")
SQL_USER = re.compile(r"[a-z_][a-z0-9_]{0,31}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_IMAGE = re.compile(r"[a-zA-Z0-9][-a-zA-Z0-9_.:/@]{0,254}")
_PASSWORD = re.compile(r"[!#-&(-\[\]-~]+")  # printable, without blanks, quotes and backslashes
_MOUNT_KINDS = {"file": "File", "directory": "Directory"}


@dataclass(frozen=True, slots=True)
class ExtraMount:
    source: str
    target: str
    kind: str  # File or Directory
    read_only: bool


def matched(values: Mapping[str, str], name: str, default: str, pattern: re.Pattern[str]) -> str:
    text = values.get(name) or default
    if text and not pattern.fullmatch(text):
        raise InvalidInput(f"{name} cannot be {text!r}", hint=f"for example {name}={default}")
    return text


def one_of(values: Mapping[str, str], name: str, known: tuple[str, ...]) -> str:
    text = values.get(name) or known[0]
    if text not in known:
        raise InvalidInput(f"{name} cannot be {text!r}", hint=f"one of {', '.join(known)}")
    return text


def path(values: Mapping[str, str], name: str, default: str) -> str:
    text = (values.get(name) or default).rstrip("/")
    check_path(name, text)
    return text


def check_path(name: str, text: str) -> None:
    is_plain = all(" " < char < "\x7f" and char not in "'\"\\:,{}" for char in text)
    if not text.startswith("/") or ".." in PurePosixPath(text).parts or not is_plain:
        raise InvalidInput(
            f"{name}: {text!r} is no absolute path",
            hint="a path such as /nfs-shared, on every node",
        )


def address(values: Mapping[str, str], name: str, default: str) -> str:
    """An IPv4 address or a host name."""
    text = values.get(name) or default
    if text and not _ADDRESS.fullmatch(text):
        raise InvalidInput(f"{name} cannot be {text!r}", hint=f"for example {name}=10.0.0.5")
    return text


def names(
    values: Mapping[str, str], name: str, hint: str = "names with blanks between"
) -> tuple[str, ...]:
    """Names of a cluster's objects, with blanks or commas between them."""
    found = tuple(dict.fromkeys(re.split(r"[\s,]+", values.get(name, "").strip("() \t"))))
    known = tuple(one.strip("\"'") for one in found if one)
    for one in known:
        if not _NODE.fullmatch(one):
            raise InvalidInput(f"{name}: {one!r} is no name of an object", hint=hint)
    return known


def image(values: Mapping[str, str], name: str, default: str) -> str:
    text = values.get(name) or default
    if not text:
        raise InvalidInput(
            f"{name} names no image",
            hint=f"scripts/release builds it; then for example {name}=registry.example.org/hai:1",
        )
    if not _IMAGE.fullmatch(text):
        raise InvalidInput(f"{name}: {text!r} is no name of an image", hint=f"{name}=REPO:TAG")
    return text


def number(values: Mapping[str, str], name: str, default: int, low: int, high: int) -> int:
    text = values.get(name) or str(default)
    if not re.fullmatch(r"[0-9]{1,9}", text) or not low <= int(text) <= high:
        raise InvalidInput(f"{name}={text} is wrong", hint=f"a number from {low} to {high}")
    return int(text)


def users(values: Mapping[str, str]) -> tuple[SeedUser, ...]:
    """Those of USER_INFO, else ROOT_USER alone."""
    name = matched(values, "ROOT_USER", FIRST_USER, USER_NAME)
    return users_of(values.get("USER_INFO", "")) or (SeedUser(name, FIRST_UID),)


def password(values: Mapping[str, str], name: str) -> str:
    text = values.get(name, "")
    if text and (len(text) < LEAST_PASSWORD or not _PASSWORD.fullmatch(text)):
        raise InvalidInput(
            f"{name} is too short to be safe, or has blanks, quotes or backslashes",
            hint=f"leave the line out: hai-up makes one; or {LEAST_PASSWORD} characters or more",
        )
    return text


def mounts(text: str) -> tuple[ExtraMount, ...]:
    """EXTRA_MOUNTS: src:dst:file|directory[:ro], with commas between."""
    found = []
    for part in (part.strip() for part in text.split(",")):
        if not part:
            continue
        words = part.split(":")
        kind = _MOUNT_KINDS.get(words[2]) if len(words) in (3, 4) else None
        mode = words[3] if len(words) == 4 else "rw"
        if kind is None or mode not in ("ro", "rw"):
            raise InvalidInput(
                f"EXTRA_MOUNTS: {part!r} is not of the form src:dst:file|directory[:ro]",
                hint="EXTRA_MOUNTS=/data:/data:directory:ro",
            )
        check_path("EXTRA_MOUNTS", words[0])
        check_path("EXTRA_MOUNTS", words[1])
        found.append(ExtraMount(words[0], words[1], kind, mode == "ro"))
    return tuple(found)


def environments(text: str) -> dict[str, str]:
    """EXTRA_ENVIRONMENTS: name:value, with commas between."""
    found = {}
    for part in (part.strip() for part in text.split(",")):
        name, colon, value = part.partition(":")
        if not part:
            continue
        if not colon or not _VARIABLE.fullmatch(name):
            raise InvalidInput(
                f"EXTRA_ENVIRONMENTS: {part[:40]!r} is not of the form name:value",
                hint="EXTRA_ENVIRONMENTS=NCCL_DEBUG:WARN,OMP_NUM_THREADS:4",
            )
        found[name] = value
    return found


_HIDDEN = ("POSTGRES_PASSWORD", "REDIS_PASSWORD")
_URLS = ("HAI_DATABASE_URL", "HAI_BUS_URL")


def without_secrets(values: Mapping[str, str]) -> dict[str, str]:
    """The variables without passwords and tokens, to be written down."""
    kept = {name: text for name, text in values.items() if name not in _HIDDEN}
    users = kept.get("USER_INFO", "")
    if users:
        kept["USER_INFO"] = ",".join(":".join(one.split(":")[:2]) for one in users.split(","))
    for name in _URLS:
        if kept.get(name):
            kept[name] = without_password(kept[name])[0]
    return kept


def without_password(url: str) -> tuple[str, str]:
    """A URL without its password, and the password."""
    parts = urlsplit(url)
    login, _, place = parts.netloc.rpartition("@")
    user, _, secret = login.partition(":")
    netloc = f"{user}@{place}" if user else place
    return urlunsplit((parts.scheme, netloc, parts.path, parts.query, "")), unquote(secret)


def shared_groups(training: str, jupyter: str) -> dict[str, str]:
    """[jupyter] of override.toml: dev containers share the nodes of the jupyter group, unless tasks
    are to have them whole as well."""
    return {"shared_node_group_prefix": "" if training.startswith(jupyter) else jupyter}
