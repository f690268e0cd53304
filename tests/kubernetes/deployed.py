"""A platform that hai-up brought onto a cluster, and whoever administers it."""

import contextlib
import getpass
import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from tests.kubernetes.testbed import Cluster
from tests.waiting import wait_until

TOKEN = "planted-token-of-the-first-user"  # noqa: S105
NAMESPACE = "hai-platform"
# Kinds whose objects come and go by themselves.
_RESTLESS = ("events", "leases", "endpointslices", "componentstatuses", "endpoints", "pods")
WITHIN_SECONDS = 240.0
Json = dict[str, Any]


@dataclass(frozen=True)
class Admin:
    """Somebody with a shell, a home of their own and the cluster's kubeconfig."""

    cluster: Cluster
    home: Path
    shared: Path

    def shell(self, *lines: str, stdin: str = "") -> str:
        """What the lines print, both ways; the first that fails is an AssertionError."""
        done = subprocess.run(
            ["bash", "-euc", "\n".join(lines)],
            cwd=self.home,
            env=self.environment(),
            input=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=900,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        """A command that goes on; its standard output is a pipe."""
        return subprocess.Popen(
            words,
            cwd=self.home,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )

    def environment(self) -> dict[str, str]:
        programs = Path(sys.executable).parent
        return {
            "PATH": f"{programs}:{os.environ['PATH']}",
            "HOME": str(self.home),
            "KUBECONFIG": str(self.cluster.kubeconfig),
            "SHARED_FS_ROOT": str(self.shared),
            "TOKEN": TOKEN,
        }

    def listing(self) -> set[str]:
        """All that the cluster holds, and the labels of its nodes."""
        kinds = self.cluster.kubectl("api-resources", "--verbs=list", "-o", "name").split()
        found = set()
        for kind in kinds:
            if kind.split(".")[0] not in _RESTLESS:
                text = self.cluster.kubectl("get", kind, "-A", "-o", "name", "--ignore-not-found")
                found |= {f"{kind} {name}" for name in text.split()}
        return found | self._labels()

    def _labels(self) -> set[str]:
        nodes = json.loads(self.cluster.kubectl("get", "nodes", "-o", "json"))["items"]
        return {
            f"{node['metadata']['name']} {name}={value}"
            for node in nodes
            for name, value in node["metadata"]["labels"].items()
        }

    def versions(self) -> dict[str, str]:
        """Of everything that hai-up looks after."""
        kinds = "configmaps,secrets,services,statefulsets,deployments,networkpolicies"
        kinds += ",serviceaccounts,roles,rolebindings"
        ours = ("-l", "app.kubernetes.io/managed-by=hai-up")
        text = self.cluster.kubectl("-n", "hai-platform", "get", kinds, *ours, "-o", "json")
        return {
            f"{item['kind']}/{item['metadata']['name']}": item["metadata"]["resourceVersion"]
            for item in json.loads(text)["items"]
        }


def edit(path: Path, **values: str) -> None:
    text = path.read_text()
    for name, value in values.items():
        text, count = re.subn(rf"(?m)^{name}=.*$", f"{name}={value}", text)
        assert count == 1, name
    path.write_text(text)
    path.chmod(0o600)


@dataclass(frozen=True)
class Deployed:
    """Its API as a user has it, and its pods as an admin does. `url` leads to every api process."""

    admin: Admin
    url: str

    @classmethod
    def by_service(cls, admin: Admin) -> "Deployed":
        """At the address that hai-cli was told."""
        text = (admin.home / ".hai" / "conf.yaml").read_text()
        found = re.search(r"(?m)^\s*url: (\S+)$", text)
        assert found is not None, text
        return cls(admin, found[1].strip("'\""))

    @property
    def folder(self) -> Path:
        """The first user's workspace, which every node has."""
        return self.admin.shared / "hai-platform" / "workspace" / getpass.getuser()

    def kubectl(self, *words: str) -> str:
        return self.admin.cluster.kubectl("-n", NAMESPACE, *words)

    # what a user asks

    def ask(self, method: str, path: str, **more: Any) -> Json:
        """{} while it does not answer."""
        headers = {"Authorization": f"Bearer {TOKEN}"}
        with contextlib.suppress(httpx2.HTTPError):
            url = f"{self.url}/api/v1/{path}"
            reply = httpx2.request(method, url, headers=headers, timeout=20, **more)
            if reply.is_success:
                answer: Json = reply.json()
                return answer
            assert reply.status_code >= 500, reply.text
        return {}

    def told(self, path: str) -> Json:
        """What it answers, as soon as it does: it may have been busy, or its Service not ready."""
        return wait_until(lambda: self.ask("GET", path), WITHIN_SECONDS, what=path)

    def submit(self, name: str, script: str, parameters: str = "") -> int:
        """Tried until it is known: the answer to the one that was taken may have been lost."""
        spec = {"entrypoint": script, "workspace": str(self.folder), "parameters": parameters}
        task = {
            "version": 2,
            "name": name,
            "priority": "NORMAL",
            "spec": spec,
            "resource": {"group": "training", "node_count": 1},
        }

        def taken() -> int:
            answer = self.ask("POST", "tasks", json=task)
            return int(answer["id"]) if answer else self.named(name)

        return wait_until(taken, WITHIN_SECONDS, what="a task is taken")

    def named(self, name: str) -> int:
        """Its id; 0: there is none."""
        rows = self.ask("GET", "tasks?user=all&page_size=100").get("tasks", ())
        return next((int(row["id"]) for row in rows if row["name"] == name), 0)

    def detail(self, task_id: int) -> Json:
        return self.ask("GET", f"tasks/{task_id}")

    def wait(self, task_id: int, *states: str) -> Json:
        def reached() -> Json:
            detail = self.detail(task_id)
            return detail if detail.get("state") in states else {}

        return wait_until(reached, WITHIN_SECONDS, what=f"task {task_id}: {' or '.join(states)}")

    def ended(self) -> int:
        """How many tasks have."""
        query = "tasks?user=all&page_size=1&state=succeeded&state=failed&state=stopped"
        return int(self.ask("GET", query).get("total", 0))

    # its pods

    def pods(self, part: str) -> list[Json]:
        text = self.kubectl("get", "pods", "-l", f"hai/part={part}", "-o", "json")
        items: list[Json] = json.loads(text)["items"]
        return [one for one in items if "deletionTimestamp" not in one["metadata"]]

    def leader(self) -> Json:
        """The control pod that leads, once there is one."""

        def leading() -> list[Json]:
            return [pod for pod in self.pods("hai-control") if self.leads(pod)]

        return wait_until(leading, WITHIN_SECONDS, what="somebody leads")[0]

    def leads(self, pod: Json) -> bool:
        name = pod["metadata"]["name"]
        path = f"/api/v1/namespaces/{NAMESPACE}/pods/{name}:7420/proxy/ready"
        try:
            return bool(json.loads(self.kubectl("get", "--raw", path)).get("leads"))
        except AssertionError:  # it does not answer
            return False

    def kill(self, pod: Json) -> None:
        """kill -9 to the program of its first container, and wait until that runs again."""
        name, before = pod["metadata"]["name"], restarts(pod)
        kill = "kill -9 $(cat /proc/1/task/1/children)"
        command = ["kubectl", "--kubeconfig", str(self.admin.cluster.kubeconfig)]
        command += ["-n", NAMESPACE, "exec", name, "--", "sh", "-c", kill]
        # The shell may end with the container, so its exit code says nothing.
        subprocess.run(command, capture_output=True, check=False)

        def again() -> bool:
            now = json.loads(self.kubectl("get", "pod", name, "-o", "json"))
            return restarts(now) > before

        wait_until(again, WITHIN_SECONDS, what=f"{name} was killed and starts again")


def restarts(pod: Json) -> int:
    statuses = pod["status"].get("containerStatuses") or ()
    return sum(int(one["restartCount"]) for one in statuses)
