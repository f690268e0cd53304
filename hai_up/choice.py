"""Which provider a command is for: what was said, what config.sh says, what ran last."""

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path

from hai.errors import InvalidInput, PlatformError
from hai_up.config import CLUSTER_VARIABLES, COMPOSE_VARIABLES, parse_config

K8S, COMPOSE, LOCAL = "k8s", "docker-compose", "local"
_NAMES = {
    "k8s": K8S,
    "kubernetes": K8S,
    "docker-compose": COMPOSE,
    "compose": COMPOSE,
    "docker": COMPOSE,
    "local": LOCAL,
}
_PAST = ("BFF_ADMIN_UID", "BFF_ADMIN_TOKEN", "HAI_SERVER_ADDR")
_OF_CLUSTERS = (
    "MANAGER_NODES",
    "DB_STORAGE_CLASS",
    "INGRESS_CLASS",
    "INGRESS_TLS_SECRET",
    "SERVICE_TYPE",
    "IMAGE_PULL_SECRETS",
)
_OF_PODS = (
    "KUBECONFIG",
    "KUBE_CONTEXT",
    "TRAINING_NODES",
    "MARS_PREFIX",
    "HAS_RDMA_HCA_RESOURCE",
    "HAI_SERVER_ADDR",
)
_SECRETS = re.compile(r"USER_INFO=.*:.*:\s*\S|(POSTGRES|REDIS)_PASSWORD=\S")
Say = Callable[[str], None]


def provider_named(name: str) -> str:
    """InvalidInput for one that there is not."""
    if name not in _NAMES:
        raise InvalidInput(
            f"there is no provider {name!r}", hint="-p k8s, -p docker-compose or -p local"
        )
    return _NAMES[name]


def provider_of(asked: str | None, values: Mapping[str, str]) -> str:
    """Of a run: -p, then HAI_PROVIDER, then what the file describes."""
    if asked:
        return provider_named(asked)
    if values.get("HAI_PROVIDER"):
        return provider_named(values["HAI_PROVIDER"])
    if values.keys() & COMPOSE_VARIABLES:
        return COMPOSE
    return K8S if values.keys() & CLUSTER_VARIABLES else LOCAL


def last_provider(asked: str | None, data_dir: Path | None) -> str:
    """Of down, status and logs: -p, a folder means this machine, then the last run's."""
    if asked:
        return provider_named(asked)
    if data_dir is not None or (last := _last()) is None:
        return LOCAL
    return last if last in (K8S, COMPOSE) else LOCAL


def _last() -> str | None:
    from hai_up.last import last_platform

    known = last_platform()
    return known.provider if known else None


def values_of(config: Path | None, say: Say) -> dict[str, str]:
    """The variables of a config.sh; a file with secrets that others can read is told of."""
    if config is None:
        return {}
    text = text_of(config)
    if config.stat().st_mode & 0o077 and _SECRETS.search(text):
        say(f"warning: {config} holds secrets and others can read it: chmod 600 {config}")
    return parse_config(text, os.environ)


def require_file(config: Path | None, provider: str = K8S) -> None:
    """A cluster cannot be guessed, nor where an image is."""
    if config is None:
        raise InvalidInput(
            f"the provider {provider} needs a configuration file",
            hint=f"hai-up config -p {provider} > config.sh; edit it; hai-up run -c config.sh",
        )


def deployment_warnings(provider: str, values: Mapping[str, str]) -> list[str]:
    """One line for each variable that has no effect there, or an unsafe value."""
    tasks_are_pods = provider == K8S or values.get("HAI_TASKS") == K8S
    past = [name for name in _PAST if name != "HAI_SERVER_ADDR" or provider == K8S]
    lines = [f"{name} is a thing of the past: ignored" for name in past if name in values]
    if provider == COMPOSE:
        idle = [*_OF_CLUSTERS, *([] if tasks_are_pods else _OF_PODS)]
        lines += [f"{name} has no effect with Docker" for name in idle if values.get(name)]
    lines += [
        f"{name} is :latest, which is another image some day; name a version"
        for name in ("BASE_IMAGE", "TRAIN_IMAGE")
        if values.get(name, "").endswith(":latest")
    ]
    return lines


def text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise InvalidInput(
            f"cannot read {path}: {error.strerror}", hint="check the path and its rights"
        ) from error
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{path} is not UTF-8 text", hint="hai-up config prints one") from error


def missing_k8s_extra() -> PlatformError:
    return PlatformError(
        "the libraries for Kubernetes are missing here",
        hint="pip install 'hai-platform[server,k8s]'",
    )
