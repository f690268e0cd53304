"""The original platform's sections of override.toml, said in this platform's keys.

Every key of the original is known here: it has a meaning, or it is a thing of the past, which is
told in a note. Any other key is an error.
"""

from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Any
from urllib.parse import quote

from hai.errors import InvalidInput

Section = Mapping[str, Any]
Said = dict[tuple[str, str], Any]  # (section, key) of this platform -> value

_PAST_SECTIONS = (
    "celery_workers",
    "cloud",
    "exporter",
    "fetion",
    "k8swatcher",
    "manager",
    "parliament",
    "server_url",
    "server_workers",
    "user_data_roaming",
)
_PAST_SCHEDULER = (
    "re_signal",
    "send_fetion",
    "error_node_meta_group",
    "rotate_num",
    "beater",
    "monitor",
    "assigner",
    "matcher",
    "subscriber",
    "feedbacker",
    "relations",
)
_PAST_JUPYTER = (
    "current_version",
    "mig_node_group_prefix",
    "node_meta_group",
    "builtin_services",
    "spot",
    "ingress_host",
)
_RDMA = "HAS_RDMA_HCA_RESOURCE"
_SIZES = {"K": 2**10, "M": 2**20, "G": 2**30}


def adopted(document: Section) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The document in this platform's keys alone, and notes on what of it has no effect.
    InvalidInput names a wrong key, or one that is given in both forms."""
    ours = {name: value for name, value in document.items() if name not in SECTIONS}
    said: Said = {}
    notes: list[str] = []
    for name, read in _READERS.items():
        if name in document:
            read(Keys(name, document[name], notes), said)
    gone = (name for name in _PAST_SECTIONS if name in document)
    notes.extend(f"[{name}] has no effect here" for name in gone)
    for name, past in (("scheduler", _PAST_SCHEDULER), ("jupyter", _PAST_JUPYTER)):
        if isinstance(document.get(name), Mapping):
            ours[name] = _without_past(name, document[name], past, notes)
    for (section, key), value in said.items():
        mine = ours.get(section, {})
        if not isinstance(mine, Mapping):
            continue  # its own error comes later
        if key in mine:
            raise InvalidInput(
                f"{section}.{key}: the original's form of it is given, too",
                hint=f"leave one of them out: [{section}] {key} is this platform's form",
            )
        ours[section] = {**mine, key: value}
    return ours, tuple(notes)


def _without_past(
    name: str, section: Section, past: tuple[str, ...], notes: list[str]
) -> dict[str, Any]:
    gone = [key for key in section if key in past]
    if gone:
        notes.append(f"[{name}] {', '.join(gone)} has no effect here")
    return {key: value for key, value in section.items() if key not in past}


class Keys:
    """One of the original's sections; every key is asked for, then `end` refuses the rest."""

    def __init__(self, name: str, values: Any, notes: list[str]) -> None:
        if not isinstance(values, Mapping):
            raise InvalidInput(f"{name}: a section is expected")
        self.name = name
        self._values = values
        self._notes = notes
        self._known: list[str] = []

    def text(self, key: str, default: str = "") -> str:
        value = self._value(key, default)
        if isinstance(value, bool) or not isinstance(value, str | int):
            raise self.error(key, "a text is expected")
        return str(value)

    def number(self, key: str, default: int, least: int, most: int) -> int:
        value = self._value(key, default)
        if isinstance(value, str) and value.isascii() and value.isdigit():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise self.error(key, f"a number from {least} to {most} is expected")
        return value

    def texts(self, key: str) -> dict[str, str]:
        """A table of texts."""
        table = self._value(key, {})
        if not isinstance(table, Mapping) or any(isinstance(v, Mapping) for v in table.values()):
            raise self.error(key, "a table of texts is expected")
        return {name: str(value) for name, value in table.items()}

    def section(self, key: str) -> "Keys":
        return Keys(f"{self.name}.{key}", self._value(key, {}), self._notes)

    def sections(self, key: str) -> "list[Keys]":
        """A list of tables, or one table."""
        found = self._value(key, [])
        found = [found] if isinstance(found, Mapping) else found
        if not isinstance(found, list):
            raise self.error(key, "a table or a list of tables is expected")
        return [Keys(f"{self.name}.{key}", one, self._notes) for one in found]

    def past(self, *keys: str) -> None:
        """These have no effect."""
        self._known += keys
        gone = [key for key in keys if key in self._values]
        if gone:
            self._notes.append(f"[{self.name}] {', '.join(gone)} has no effect here")

    def note(self, text: str) -> None:
        self._notes.append(f"[{self.name}] {text}")

    def has(self, key: str) -> bool:
        return key in self._values

    def end(self) -> None:
        """InvalidInput for a key that nobody asked for."""
        for key in self._values:
            if key not in self._known:
                close = get_close_matches(key, self._known, n=1)
                meant = f"; did you mean {close[0]}?" if close else ""
                raise self.error(key, f"no such key{meant}")

    def error(self, key: str, what: str) -> InvalidInput:
        return InvalidInput(
            f"{self.name}.{key}: {what}", hint="see docs/configuration.md for every key"
        )

    def _value(self, key: str, default: Any) -> Any:
        self._known.append(key)
        return self._values.get(key, default)


def _database(keys: Keys, said: Said) -> None:
    postgres, redis = keys.section("postgres"), keys.section("redis")
    if keys.has("postgres"):
        if postgres.has("primary"):
            primary = postgres.section("primary")
            postgres.past("secondary")
            postgres.end()
            postgres = primary
        _postgres(postgres, said)
    if keys.has("redis"):
        host = _host(redis.text("host", "127.0.0.1"))
        login = f":{quote(password, safe='')}@" if (password := redis.text("password")) else ""
        port = redis.number("port", 6379, 1, 65535)
        said["bus", "url"] = f"redis://{login}{host}:{port}/{redis.number('db', 0, 0, 10_000)}"
        redis.end()
    keys.end()


def _postgres(keys: Keys, said: Said) -> None:
    host, port = keys.text("host", "127.0.0.1"), keys.number("port", 5432, 1, 65535)
    user, password = keys.text("user"), keys.text("password")
    name = quote(keys.text("db", "mars_db"), safe="")
    login = quote(user, safe="") + (f":{quote(password, safe='')}" if password else "")
    login = f"{login}@" if login else ""
    if host.startswith("/"):  # the folder of a socket
        url = f"postgresql://{login}/{name}?host={quote(host, safe='')}&port={port}"
    else:
        url = f"postgresql://{login}{_host(host)}:{port}/{name}"
    said["store", "url"] = url
    if keys.has("pool_size"):
        said["store", "pool_size"] = keys.number("pool_size", 20, 2, 200)
    keys.past("charset")
    keys.end()


def _host(host: str) -> str:
    return f"[{host}]" if ":" in host and not host.startswith("[") else quote(host, safe="[]:")


def _launcher(keys: Keys, said: Said) -> None:
    for key, mine in (
        ("api_server", "api_server"),
        ("task_namespace", "namespace"),
        ("manager_image", "agent_image"),
        ("image_pull_policy", "pull_policy"),
    ):
        value = keys.text(key)
        if value:
            said["kubernetes", mine] = value
    _namespaces(keys, said)
    variables = keys.texts("manager_envs")
    rdma = variables.pop(_RDMA, "0")
    if rdma not in ("", "0", "1"):
        raise keys.error(f"manager_envs.{_RDMA}", "0 or 1 is expected")
    if rdma == "1":
        said["kubernetes", "rdma_resource"] = "rdma/hca"
    if variables:
        said["kubernetes", "variables"] = variables
    mounts = keys.texts("manager_mounts")
    if mounts:
        said["kubernetes", "mounts"] = mounts
    keys.past("manager_nodes")
    keys.end()


def _namespaces(keys: Keys, said: Said) -> None:
    by_role = keys.texts("task_namespaces_by_role")
    if not by_role:
        return
    names = sorted(set(by_role.values()))
    if len(names) > 1:
        raise keys.error("task_namespaces_by_role", f"one namespace is expected, not {names}")
    if said.get(("kubernetes", "namespace"), names[0]) != names[0]:
        raise keys.error("task_namespaces_by_role", "task_namespace says something else")
    said["kubernetes", "namespace"] = names[0]


def _clusters(keys: Keys, said: Said) -> None:
    files = []
    for one in keys.sections("config"):
        files.append(one.text("config_file"))
        one.end()
    keys.end()
    if len(files) > 1:
        raise keys.error("config", "one cluster is expected")
    if files and files[0]:
        said["kubernetes", "kubeconfig"] = files[0]


def _experiment(keys: Keys, said: Said) -> None:
    log = keys.section("log")
    if log.has("number_of_files"):
        said["logs", "segments"] = log.number("number_of_files", 4, 2, 10_000)
    if log.has("max_filesize"):
        said["logs", "segment_bytes"] = _bytes(log, "max_filesize")
    folders = {}
    for one in log.sections("dist"):
        folders[one.text("role", "internal")] = one.text("dir")
        one.end()
    if len(set(folders.values())) > 1:
        raise log.error("dist", "one folder for users of every role is expected")
    if folders:
        said["logs", "dir"] = next(iter(folders.values()))
    log.past("max_ops", "max_line_length")
    log.end()
    keys.past("user_env")
    keys.end()


def _bytes(keys: Keys, key: str) -> int:
    """2M, 500K or plain bytes."""
    text = keys.text(key).upper().removesuffix("B")
    unit = _SIZES.get(text[-1:], 1)
    digits = text[:-1] if unit > 1 else text
    if not (digits.isascii() and digits.isdigit() and len(digits) < 16):
        raise keys.error(key, "a size is expected, as 2M")
    return int(digits) * unit


_READERS: dict[str, Callable[[Keys, Said], None]] = {
    "database": _database,
    "launcher": _launcher,
    "k8s": _clusters,
    "experiment": _experiment,
}
SECTIONS = frozenset({*_READERS, *_PAST_SECTIONS})
"""The original's sections that this platform does not have."""
