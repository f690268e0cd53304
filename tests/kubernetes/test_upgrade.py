"""hai-up upgrade, backup and restore on a real cluster, with tasks running."""

import base64
import getpass
import json
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

from hai import __version__
from tests.kubernetes.deployed import TOKEN, Admin, edit
from tests.kubernetes.images import bring, build, variants
from tests.machine import Machine
from tests.other_tree import BROKEN, LATER, REVISION, SLOW, changed_files, released_as_other
from tests.waiting import wait_until

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(1500)]

WITHIN_SECONDS = 240.0
Json = dict[str, Any]


@dataclass
class Site:
    """An admin with a config.sh, and the API as the first user sees it."""

    admin: Admin
    url: str = ""

    @property
    def config(self) -> Path:
        return self.admin.home / "config.sh"

    @property
    def work(self) -> Path:
        return self.admin.shared / "hai-platform" / "workspace" / getpass.getuser()

    def kubectl(self, *words: str) -> str:
        return self.admin.cluster.kubectl("-n", "hai-platform", *words)

    def up(self, said: str) -> str:
        """Where the API is, from what run said."""
        found = re.search(r"--url (http\S+)", said)
        assert found is not None, said
        self.url = found[1]
        return said

    def ask(self, method: str, path: str, **more: Any) -> Json:
        """{} while it does not answer."""
        headers = {"Authorization": f"Bearer {TOKEN}"}
        try:
            url = f"{self.url}/api/v1/{path}"
            reply = httpx2.request(method, url, headers=headers, timeout=20, **more)
        except httpx2.HTTPError:
            return {}
        assert reply.is_success or reply.status_code >= 500, reply.text
        return dict(reply.json()) if reply.is_success else {}

    def told(self, path: str) -> Json:
        """What it answers, as soon as it does: it may be busy, or its Service not ready."""
        return wait_until(lambda: self.ask("GET", path), WITHIN_SECONDS, what=path)

    def submit(self, name: str, program: str) -> int:
        (self.work / program).write_text(SLOW if program == "slow.py" else "print('done')\n")
        spec = {"entrypoint": program, "workspace": str(self.work)}
        resource = {"group": "training", "node_count": 1}
        task = {"version": 2, "name": name, "spec": spec, "resource": resource}
        return int(self.ask("POST", "tasks", json=task)["id"])

    def wait(self, task: int, state: str) -> Json:
        def reached() -> Json:
            detail = self.ask("GET", f"tasks/{task}")
            return detail if detail.get("state") == state else {}

        return wait_until(reached, WITHIN_SECONDS, what=f"task {task} {state}")

    def pods_of_tasks(self) -> dict[str, str]:
        text = self.kubectl("get", "pods", "-l", "app.kubernetes.io/managed-by=hai", "-o", "json")
        return {p["metadata"]["name"]: p["metadata"]["uid"] for p in json.loads(text)["items"]}

    def images(self) -> set[str]:
        """Of everything that hai-up looks after."""
        text = self.kubectl("get", "deployments,statefulsets", "-o", "json")
        return {
            container["image"]
            for item in json.loads(text)["items"]
            for container in item["spec"]["template"]["spec"]["containers"]
        }

    def node_ports(self) -> str:
        """Where users reach it."""
        words = ("-o", "jsonpath={.spec.ports[*].nodePort}")
        return self.kubectl("get", "service", "hai-platform-svc", *words)

    def secrets(self) -> list[str]:
        text = self.kubectl("get", "secret", "hai-platform-secrets", "-o", "json")
        made = [base64.b64decode(one).decode() for one in json.loads(text)["data"].values()]
        return [TOKEN, *made]


@pytest.fixture
def fresh(admin: Admin, tmp_path: Path) -> Site:
    """A config.sh for a platform of this commit's image, which is on the nodes."""
    image, archive = build(tmp_path)
    bring(admin.cluster, archive, nodes=2)
    made = Site(admin)
    admin.shell("hai-up config > config.sh")
    edit(
        made.config,
        SHARED_FS_ROOT=str(admin.shared),
        BASE_IMAGE=image,
        TRAIN_IMAGE=admin.cluster.image,
        USER_INFO=f"{getpass.getuser()}:10020:{TOKEN}",
        SERVICE_TYPE="NodePort",
    )
    return made


@pytest.fixture
def site(fresh: Site, tmp_path: Path) -> Site:
    """Two other images are on the nodes as well."""
    other = released_as_other(__version__) | changed_files(adds_migration=True)
    others = {LATER: other, BROKEN: other | changed_files(is_broken=True)}
    _, archive = build(tmp_path)
    bring(fresh.admin.cluster, variants(archive, tmp_path, others), nodes=2)
    return fresh


@pytest.mark.campaign
def test_a_backup_brings_all_back(fresh: Site) -> None:
    before = fresh.admin.listing()
    quick, slow = _begin(fresh)
    _away_and_back(fresh, quick, slow, before)
    fresh.admin.shell("hai-up down --purge --yes")
    assert fresh.admin.listing() == before


@pytest.mark.campaign
def test_a_life(site: Site) -> None:
    """Up; a broken image, taken back; another revision with one more migration; a backup; nothing
    left; and all there again."""
    admin = site.admin
    before = admin.listing()
    quick, slow = _begin(site)
    _no_secret(site, _upgrades(site, slow))
    _away_and_back(site, quick, slow, before)
    (site.work / "enough").touch()
    site.wait(slow, "succeeded")
    assert (site.work / "starts").read_text() == "xx"
    assert "is not fresh" in admin.shell("hai-up restore kept.zip 2>&1 || true")
    admin.shell("hai-up down --purge --yes")
    assert admin.listing() == before


def _begin(site: Site) -> tuple[int, int]:
    """A platform with a task that has ended and one that runs."""
    site.up(site.admin.shell("hai-up run -c config.sh"))
    quick, slow = site.submit("quick", "quick.py"), site.submit("slow", "slow.py")
    site.wait(quick, "succeeded")
    site.wait(slow, "running")
    _quota(site)
    return quick, slow


def _away_and_back(site: Site, quick: int, slow: int, before: set[str]) -> None:
    """A backup, nothing left, and all there again; what ran is in its second attempt."""
    admin = site.admin
    said = admin.shell("hai-up backup kept.zip")
    assert stat.S_IMODE((admin.home / "kept.zip").stat().st_mode) == 0o600
    _no_secret(site, said)
    users, quotas = site.told("users"), site.told("quotas")
    history = site.told(f"tasks/{quick}")
    admin.shell("hai-up down --purge --yes")
    assert admin.listing() == before

    said = site.up(admin.shell("hai-up restore kept.zip -c config.sh"))
    assert f"go back to the head of their line: {slow}" in said
    names = [user["name"] for user in users["users"]]
    assert [user["name"] for user in site.told("users")["users"]] == names
    assert site.told("quotas") == quotas
    assert site.told(f"tasks/{quick}") == history
    assert len(site.wait(slow, "running")["attempt_list"]) == 2


def _upgrades(site: Site, slow: int) -> str:
    """One that is taken back, and one that is not; the task's pod is the same throughout."""
    pods, images, doors = _running_pods(site), site.images(), site.node_ports()
    said = _broken(site)
    assert site.images() == images
    edit(site.config, BASE_IMAGE=LATER)
    said += site.admin.shell("hai-up upgrade -c config.sh --yes")
    assert "migrated: 00" in said
    assert site.images() == {LATER}
    assert site.node_ports() == doors, "users find it where it was"
    assert len(site.wait(slow, "running")["attempt_list"]) == 1
    assert _running_pods(site) == pods, "the task was disturbed"
    assert REVISION in site.told("whoami")["server_version"]
    return said


def _running_pods(site: Site) -> dict[str, str]:
    """Of the one task that runs; the other's go when the server gets to it."""
    wait_until(lambda: len(site.pods_of_tasks()) == 1, WITHIN_SECONDS, what="one pod of a task")
    return site.pods_of_tasks()


def _quota(site: Site) -> None:
    assert site.ask("POST", "users", json={"name": "bob", "uid": 10021})
    row = {"user": "bob", "resource": "node-training-HIGH", "nodes": 1}
    assert site.ask("PUT", "quotas", json={"quotas": [row]})


def _broken(site: Site) -> str:
    old = site.config.read_text()
    edit(site.config, BASE_IMAGE=BROKEN)
    said = site.admin.shell("hai-up upgrade -c config.sh --yes && exit 1 || true")
    site.config.write_text(old)
    assert "this build is broken" in said, said
    assert "taking it back: the database, from the backup" in said
    assert "failed and was taken back" in said
    assert REVISION not in site.told("whoami")["server_version"]
    return said


def _no_secret(site: Site, said: str) -> None:
    kinds = "configmaps,pods,deployments,statefulsets,services,events,jobs"
    text = said + site.kubectl("get", kinds, "-o", "yaml")
    for part in ("statefulset/hai-postgres", "deployment/hai-studio"):
        text += site.kubectl("logs", part, "--all-containers")
    assert not [word for word in site.secrets() if word in text]


@pytest.mark.campaign
def test_an_image_that_is_nowhere_changes_nothing(fresh: Site) -> None:
    fresh.up(fresh.admin.shell("hai-up run -c config.sh"))
    versions = fresh.admin.versions()
    edit(fresh.config, BASE_IMAGE="hai-platform:nowhere")
    said = fresh.admin.shell("hai-up upgrade -c config.sh --yes && exit 1 || true")
    assert "the image does not start" in said
    assert "ErrImage" in said or "ImagePullBackOff" in said
    assert fresh.admin.versions() == versions
    fresh.admin.shell("hai-up down --purge --yes")


@pytest.mark.campaign
def test_from_a_machine_to_a_cluster_and_back(fresh: Site, public_dir: Path) -> None:
    (public_dir / "m").mkdir(mode=0o755)
    machine = Machine(public_dir / "m")
    machine.work = fresh.work  # on the share, so that its task goes on in both places
    machine.work.mkdir(parents=True)
    machine.up("--nodes", "2", "--no-studio", "--user", getpass.getuser())
    machine.ask("POST", "users", json={"name": "carla", "uid": 10023})
    task = machine.submit()
    machine.wait_for_state(task, "running")
    wait_until((fresh.work / "starts").exists, what="its program has begun")
    (fresh.work / "starts").chmod(0o666)  # by another uid in pods
    machine.do("backup", "here.zip")
    machine.do("down", "--purge", "--yes")

    kept = machine.folder / "here.zip"
    said = fresh.up(fresh.admin.shell(f"hai-up restore {kept} -c config.sh"))
    assert f"go back to the head of their line: {task}" in said
    names = {user["name"] for user in fresh.told("users")["users"]}
    assert {"carla", "hai-up", getpass.getuser()} <= names
    attempts = fresh.wait(task, "running")["attempt_list"]
    assert [one["number"] for one in attempts] == [1, 2]
    groups = {node["group"] for node in fresh.told("nodes")["nodes"]}
    assert groups == {"training"}
    (fresh.work / "enough").touch()
    fresh.wait(task, "succeeded")
    quick = fresh.submit("quick", "quick.py")
    fresh.wait(quick, "succeeded")

    fresh.admin.shell("hai-up backup there.zip")
    fresh.admin.shell("hai-up down --purge --yes")
    machine.do("restore", str(fresh.admin.home / "there.zip"), "-p", "local")
    assert machine.ask("GET", f"tasks/{quick}")["state"] == "succeeded"
    machine.do("down", "--purge", "--yes")
