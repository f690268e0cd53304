"""The platform under attack: that of the chaos driver, with an attacker and a victim among its
users."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from hai.client.loglines import WholeLines
from hai.studio.accounts import Accounts
from scripts.chaos_driver.load import FIRST_UID
from scripts.chaos_driver.pods import KubernetesSite, kubernetes_site
from scripts.chaos_driver.site import LocalSite, local_site
from scripts.hostile_driver.attacks import ATTACKER, VICTIM

NODES = 2
QUIET = "exec sleep 600"  # a program that is no trouble to anybody
PROCESSES = 200  # of one user on a node
SETTINGS = {"HAI_AGENT__PROCESSES": str(PROCESSES)}
DISK_MIB = 64  # of a pod
POD_SETTINGS = {**SETTINGS, "HAI_KUBERNETES__DISK_MIB": str(DISK_MIB)}


def studio_url(site: LocalSite) -> str:
    """Where its Studio answers; "" where it has none."""
    known = json.loads((site.data / "hai-up.json").read_text())
    if not known["studio"] or not site.by_command("hai.studio.main", str(site.data)):
        return ""
    return f"http://127.0.0.1:{known['studio_port']}"


def has_no_studio(_: LocalSite) -> str:
    return "" if find_spec("textual_serve") else "Studio is not installed"


def cannot_change_accounts(site: LocalSite) -> str:
    if why := has_no_studio(site) or is_no_root(site):
        return why
    return Accounts().why


def is_no_root(_: LocalSite) -> str:
    return "" if os.getuid() == 0 else "only root can give files away"


def users_of(site: LocalSite) -> dict[str, str]:
    """Makes attacker and victim; their tokens."""
    tokens = {}
    with site.client() as admin:
        for number, name in enumerate((ATTACKER, VICTIM)):
            uid = FIRST_UID + number if os.getuid() == 0 else None
            reply = admin.post("/users", json={"name": name, "uid": uid}).raise_for_status()
            tokens[name] = str(reply.json()["token"]["token"])
    return tokens


def script(site: LocalSite, name: str, text: str) -> str:
    """A program, for bash or Python, in the folder that the tasks of all accounts run in."""
    path = site.work / name
    path.write_text(text)
    path.chmod(0o755)
    return name


def inside(program: str) -> str:
    """The text of one of the programs that attackers run as tasks: it prints GOT and what it got,
    and DONE at its end."""
    return (Path(__file__).parent / "inside" / program).read_text()


def task(site: LocalSite, program: str, **more: Any) -> dict[str, Any]:
    """A submission of one node, which runs the program of that name; `more` replaces fields."""
    return {
        "version": 2,
        "name": program,
        "spec": {"entrypoint": program, "workspace": str(site.work)},
        "resource": {"group": site.group, "node_count": 1},
        **more,
    }


def log_text(stream: str) -> str:
    """What programs wrote, from the server's log events."""
    whole, lines = WholeLines(), []
    for line in stream.splitlines():
        if line.startswith("data: "):
            for entry in json.loads(line[6:]).get("lines", ()):
                lines += whole.add(entry)
    return "\n".join(line["text"] for line in [*lines, *whole.rest()])


@contextmanager
def attacked_site() -> Iterator[LocalSite]:
    with local_site(NODES, SETTINGS) as site:
        _open_work(site)
        yield site


@contextmanager
def attacked_cluster() -> Iterator[KubernetesSite]:
    with kubernetes_site(NODES, POD_SETTINGS) as site:
        _open_work(site)
        yield site


def _open_work(site: LocalSite) -> None:
    site.work.mkdir(exist_ok=True)
    site.work.chmod(0o777)
