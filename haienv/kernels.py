"""Environments as kernels of Jupyter: a kernelspec for each that has ipykernel."""

import json
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from hai import files
from haienv.installed import installed_in
from haienv.layer import base_directories
from haienv.model import Environment, activation

_PREFIX = "haienv-"
_ODD = re.compile(r"[^a-z0-9._-]")


def kernel_folder(variables: Mapping[str, str] = os.environ) -> Path:
    """Where this user's kernels are for Jupyter."""
    data = variables.get("JUPYTER_DATA_DIR")
    if data:
        return Path(data) / "kernels"
    home = variables.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return Path(home) / "jupyter" / "kernels"


def has_kernel(environment: Environment) -> bool:
    """Whether ipykernel is there, in the environment or below it."""
    places = [environment.site_dir, *base_directories(environment)]
    return "ipykernel" in installed_in(places)


def kernel_name(environment: Environment) -> str:
    """The name of its kernel, which is one of a kind among all users."""
    return _PREFIX + _ODD.sub("-", f"{environment.owner}-{environment.name}".lower())


def kernel_spec(environment: Environment, path: str) -> dict[str, object]:
    """The content of kernel.json; `path` is PATH of the program that starts kernels."""
    python = str(environment.bin_dir / "python")
    return {
        "argv": [python, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        "display_name": f"{environment.name} [{environment.owner}]",
        "language": "python",
        "env": activation(environment).joined({"PATH": path}),
        "metadata": {"debugger": True, "haienv": str(environment.path)},
    }


def write_kernels(environments: list[Environment], folder: Path, path: str) -> list[str]:
    """Makes the kernels of `environments` those of haienv in `folder`; their names."""
    wanted = {kernel_name(one): one for one in environments if has_kernel(one)}
    for name, environment in wanted.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        text = json.dumps(kernel_spec(environment, path), indent=1, ensure_ascii=False)
        files.write_whole(folder / name / "kernel.json", text + "\n", mode=None)
    for old in folder.glob(f"{_PREFIX}*"):
        if old.name not in wanted:
            shutil.rmtree(old)
    return sorted(wanted)
