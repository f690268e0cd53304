"""The platform's files as they were before an upgrade, to be put back if it fails."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hai_up.compose.options import ComposeOptions
from hai_up.compose.plan import compose_folder, secrets_before, secrets_folder
from hai_up.files import read_text, write_private
from hai_up.layout import Layout
from hai_up.providers.compose import job
from hai_up.providers.compose.engine import Project
from hai_up.providers.compose.place import FILE

# $1 the secrets' folder, $2 the copy of it; each can be repeated.
_COPY = 'rm -rf -- "$2" && cp -a -- "$1" "$2"'
_PUT_BACK = '[ ! -d "$2" ] || { rm -rf -- "$1" && mv -- "$2" "$1"; }'
_FORGET = 'rm -rf -- "$2"'


@dataclass(frozen=True, slots=True)
class PlatformSnapshot:
    """Texts by path: what hai-up keeps, and what containers read. The secrets are in a folder
    beside theirs: hai-up's own account may not read them."""

    texts: Mapping[Path, str]


def taken(project: Project, options: ComposeOptions) -> PlatformSnapshot:
    folder = compose_folder(options.platform_path)
    paths = [folder / FILE, Layout(folder).config, Layout(folder).state]
    paths += sorted((folder / "scripts").iterdir())
    texts = {path: read_text(path) for path in paths}
    _as_root(project, options, _COPY)
    return PlatformSnapshot({path: text for path, text in texts.items() if text is not None})


def put_back(project: Project, options: ComposeOptions, before: PlatformSnapshot) -> None:
    _as_root(project, options, _PUT_BACK)
    state = Layout(compose_folder(options.platform_path)).state
    for path, text in before.texts.items():
        if read_text(path) != text:
            write_private(path, text, mode=0o600 if path == state else 0o644)


def forget(project: Project, options: ComposeOptions) -> None:
    _as_root(project, options, _FORGET)


def _as_root(project: Project, options: ComposeOptions, script: str) -> None:
    names = (secrets_folder(options), secrets_before(options))
    job.as_root(project, options, [options.platform_path], ["sh", "-c", script, "sh", *names])
