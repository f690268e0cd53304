"""The commands that only look: dryrun, config, doctor, logs."""

import json
import os
import sys
import time
from collections.abc import Collection
from dataclasses import asdict
from pathlib import Path

import yaml

from hai.errors import InvalidInput, NotFound
from hai_up.checks import FAIL, IDS, Check, all_checks, chosen
from hai_up.choice import K8S, LOCAL
from hai_up.config import GivenOptions, defaults, given_in_file, os_user, parse_config, resolve
from hai_up.console import data
from hai_up.files import last_lines, os_error, write_private
from hai_up.profile import home_folder
from hai_up.providers.local import (
    Say,
    layout_of,
    options_of,
    plan_of,
    readable_state,
)
from hai_up.render import render


def show(given: GivenOptions, out: Path | None, say: Say) -> None:
    """Steps to stderr, files to stdout or into `out`. Secrets are left out."""
    layout = layout_of(given)
    state = readable_state(layout)
    options = options_of(given, layout, state)
    secret = "postgresql:// as given" if options.database_url else "postgresql:// made at the start"
    plan = plan_of(options, layout, state, secret)
    for number, step in enumerate(plan.steps, 1):
        say(f"{number}. {step}")
    files = {
        "override.toml": render("override.toml.j2", sections=plan.settings),
        "bootstrap.json": json.dumps(plan.bootstrap, indent=1) + "\n",
    }
    for name, text in files.items():
        if out is None:
            data(f"# --- {name}\n{text}")
        else:
            _write(out, name, text)
            say(f"wrote {out / name}")
    say("nothing was changed")


def _write(folder: Path, name: str, text: str) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise os_error(f"cannot make {folder}", error) from error
    write_private(folder / name, text)


def provider_here() -> str:
    """k8s where kubectl would find a cluster, else local."""
    named = os.environ.get("KUBECONFIG", "")
    return K8S if named or (home_folder() / ".kube" / "config").exists() else LOCAL


def config_template() -> str:
    options = resolve(defaults(Path("/"), os_user()))
    return render("config.sh.j2", **asdict(options))


_VARIABLES = {
    "--port": "HAI_PORT",
    "--studio-port": "HAI_STUDIO_PORT",
    "--nodes": "NODES",
    "--gpus-per-node": "NODE_GPUS",
    "--hollow-nodes": "HOLLOW_NODES",
    "--user": "ROOT_USER",
    "the group": "TRAINING_GROUP",
}


def check_config(text: str) -> None:
    """InvalidInput for a config.sh of one machine that will not do."""
    given = given_in_file(parse_config(text, os.environ))
    try:
        resolve(given, defaults(Path("/"), os_user()))
    except InvalidInput as error:
        message = error.message
        for option, variable in _VARIABLES.items():
            message = message.replace(option, variable)
        raise InvalidInput(message, hint=error.hint) from None


def doctor(given: GivenOptions, output: str, only: Collection[str] = ()) -> bool:
    """Print every check, or those of `only`; True if none failed."""
    layout = layout_of(given)
    options = options_of(given, layout, readable_state(layout))
    return show_checks(list(all_checks(options, chosen(only, IDS))), output)


def show_checks(checks: list[Check], output: str) -> bool:
    rows = [{"id": check.id, **asdict(check)} for check in checks]
    if output == "json":
        data(json.dumps({"schema_version": 1, "checks": rows}, indent=2))
    elif output == "yaml":
        data(yaml.safe_dump({"schema_version": 1, "checks": rows}, sort_keys=False))
    elif output == "table":
        for check in checks:
            data(f"{check.status:<6}{check.id:<18}{check.text}")
            if check.fix and check.status != "ok":
                data(f"{'':<24}-> {check.fix}")
    else:
        raise InvalidInput(f"unknown output {output!r}", hint="-o table, json or yaml")
    return all(check.status != FAIL for check in checks)


def show_log(path: Path, *, tail: int, follow: bool) -> None:
    """The last lines; with `follow` also what comes, until Ctrl-C."""
    if not os.access(path, os.R_OK):
        raise NotFound(f"there is no log at {path}", hint="hai-up run starts the server")
    for line in last_lines(path, tail) if tail else []:
        data(line)
    if not follow:
        return
    with path.open("rb") as file:
        file.seek(0, os.SEEK_END)
        while True:
            chunk = file.read()
            if chunk:
                sys.stdout.write(chunk.decode("utf-8", "replace"))
                sys.stdout.flush()
            else:
                time.sleep(0.2)
