"""Containers that do one thing and are gone: folders as root, rows into the database."""

from collections.abc import Iterable, Sequence

from hai_up.compose.options import ComposeOptions
from hai_up.compose.plan import ComposePlan, compose_folder, labels_of, secrets_folder
from hai_up.compose.settings import SECRETS, server_secrets
from hai_up.first_rows import UID
from hai_up.providers.compose.engine import Project

_CONFIG = "/hai/config/override.toml"
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
    return _run(project, options, "seed", _as_server(plan), command, plan.init_sql)


def _as_server(plan: ComposePlan) -> list[str]:
    options = plan.options
    config = compose_folder(options.platform_path) / "override.toml"
    words = ["--user", f"{UID}:{UID}", "--network", options.project]
    words += ["--tmpfs", f"/opt/hai/data:uid={UID},gid={UID},mode=0700", "--tmpfs", "/tmp"]  # noqa: S108
    words += ["--volume", f"{config}:{_CONFIG}:ro"]
    for name in server_secrets(plan.secret_files):
        words += ["--volume", f"{secrets_folder(options)}/{name}:{SECRETS}/{name}:ro"]
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
    labels = [
        word for key, value in labels_of(options).items() for word in ("--label", f"{key}={value}")
    ]
    ours = ["--rm", "--interactive", "--name", container, *labels, *_CONFINED]
    return project.engine.docker("run", *ours, *words, options.base_image, *command, given=given)
