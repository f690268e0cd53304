"""A kubeconfig that stands by itself: what it names in other files is put into it."""

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from hai.errors import InvalidInput

Json = dict[str, Any]

_FILES = {
    "certificate-authority": "certificate-authority-data",
    "client-certificate": "client-certificate-data",
    "client-key": "client-key-data",
}


def flattened(path: Path, context: str) -> str:
    """As YAML, with nothing but one context (""; the current one). InvalidInput: it is of no use
    to a server in a container."""
    try:
        known = yaml.safe_load(path.read_text("utf-8"))
    except OSError as error:
        raise InvalidInput(f"KUBECONFIG {path}: {error.strerror}", hint="check the path") from error
    except (ValueError, yaml.YAMLError) as error:
        raise InvalidInput(f"KUBECONFIG {path} is no YAML", hint="kubectl config view") from error
    if not isinstance(known, Mapping):
        raise InvalidInput(f"KUBECONFIG {path} is no kubeconfig", hint="kubectl config view")
    name = context or str(known.get("current-context", ""))
    chosen = _named(known, "contexts", name, path)
    cluster = _named(known, "clusters", str(chosen.get("cluster", "")), path)
    user = _named(known, "users", str(chosen.get("user", "")), path)
    if {"exec", "auth-provider"} & user.keys():
        raise InvalidInput(
            f"KUBECONFIG {path}: user {chosen.get('user')} logs in by a program, which the "
            "server's container does not have",
            hint="a kubeconfig with a certificate or the token of a ServiceAccount",
        )
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": name,
            "contexts": [{"name": name, "context": chosen}],
            "clusters": [{"name": chosen["cluster"], "cluster": _inlined(cluster, path)}],
            "users": [{"name": chosen["user"], "user": _inlined(user, path)}],
        }
    )


def _named(known: Mapping[str, Any], kind: str, name: str, path: Path) -> Json:
    one = kind.removesuffix("s")
    for row in known.get(kind) or ():
        if row.get("name") == name:
            return dict(row.get(one) or {})
    raise InvalidInput(f"KUBECONFIG {path} has no {one} {name!r}", hint="kubectl config view")


def _inlined(part: Json, path: Path) -> Json:
    result = dict(part)
    for key, data_key in _FILES.items():
        if result.get(key):
            result[data_key] = base64.b64encode(_read(result.pop(key), path)).decode()
    if result.get("tokenFile"):
        result["token"] = _read(result.pop("tokenFile"), path).decode().strip()
    return result


def _read(name: str, path: Path) -> bytes:
    """Paths are relative to the kubeconfig."""
    try:
        return (path.parent / name).read_bytes()
    except OSError as error:
        raise InvalidInput(f"KUBECONFIG {path}: {name}: {error.strerror}") from error
