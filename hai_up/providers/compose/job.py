"""Containers that do one thing and are gone: folders as root, rows into the database."""

import secrets
from collections.abc import Iterable, Sequence
from pathlib import Path

from hai_up.compose.options import ComposeOptions
from hai_up.compose.plan import ComposePlan, compose_folder, labels_of, secrets_folder
from hai_up.compose.settings import OF_SERVERS, SECRETS
from hai_up.first_rows import UID
from hai_up.providers.compose.engine import Project

_CONFIG = "/hai/config/override.toml"
_DOCKER_RUN = ("docker", "run")
_CONFINED = ("--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges")
_MAKER = ("CHOWN", "DAC_OVERRIDE", "FOWNER")  # what making folders for others takes


def as_root(
    project: Project,
    options: ComposeOptions,
    folders: Iterable[str],
    command: Sequence[str],
    given: str = "",
) -> str:
    """What the command prints. It sees `folders` at their own paths, and no network."""
    words = ["--user", "0:0", "--network", "none"]
    for name in _MAKER:
        words += ["--cap-add", name]
    for path in folders:
        words += ["--volume", f"{path}:{path}"]
    return _run(project, options, "folders", words, command, given)


def import_rows(project: Project, plan: ComposePlan) -> str:
    """init.sql, by standard input: it has tokens, and is kept nowhere."""
    options = plan.options
    command = ["hai-server", "import", "-", "--config", _CONFIG]
    return _run(project, options, "seed", _as_server(options), command, plan.init_sql)


def server_program(options: ComposeOptions, word: str) -> list[str]:
    """A command: `hai-server WORD` where the database can be reached. What it reads and prints is
    all that the platform knows, so the engine keeps no log of it."""
    container = f"{options.project}-{word}-{secrets.token_hex(4)}"
    ours = ["--rm", "--interactive", "--log-driver", "none", "--name", container]
    words = [*ours, *_labels(options), *_CONFINED, *_as_server(options)]
    return [*_DOCKER_RUN, *words, options.base_image, "hai-server", word, "--config", _CONFIG]


def version_program(options: ComposeOptions) -> list[str]:
    """A command that prints which HAI is in the image, if it starts."""
    words = ["--rm", "--network", "none", *_labels(options), *_CONFINED]
    return [*_DOCKER_RUN, *words, options.base_image, "hai-server", "--version"]


def _as_server(options: ComposeOptions) -> list[str]:
    """With the configuration and the secrets that are on the disk: those of the platform that is
    there, whatever config.sh says now."""
    config = compose_folder(options.platform_path) / "override.toml"
    words = ["--user", f"{UID}:{UID}", "--network", options.project]
    words += ["--tmpfs", f"/opt/hai/data:uid={UID},gid={UID},mode=0700", "--tmpfs", "/tmp"]  # noqa: S108
    words += ["--volume", f"{config}:{_CONFIG}:ro"]
    for name in OF_SERVERS:
        path = Path(secrets_folder(options)) / name
        if path.exists():
            words += ["--volume", f"{path}:{SECRETS}/{name}:ro"]
    return words


def _run(
    project: Project,
    options: ComposeOptions,
    name: str,
    words: Sequence[str],
    command: Sequence[str],
    given: str,
) -> str:
    """One of a name at a time: what an interrupted run left is taken away."""
    container = f"{options.project}-{name}"
    project.engine.tried(("docker", "rm", "--force", container))
    ours = ["--rm", "--interactive", "--name", container, *_labels(options), *_CONFINED]
    return project.engine.docker("run", *ours, *words, options.base_image, *command, given=given)


def _labels(options: ComposeOptions) -> list[str]:
    labels = labels_of(options).items()
    return [word for key, value in labels for word in ("--label", f"{key}={value}")]
