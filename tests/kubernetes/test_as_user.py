"""[kubernetes] as_user: a pod is its user's from the start, the agent included."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kubernetes.platform import PodPlatform, start_platform
from tests.kubernetes.testbed import Cluster
from tests.live import BOB_UID

pytestmark = pytest.mark.acceptance

_LONG = 180
_SPY = """
import os, time
from hai import client
agent = {line.split(":")[0]: line.split()[1:] for line in open("/proc/1/status")}
print("program", os.getuid(), "agent", set(agent["Uid"]), int(agent["CapEff"][0], 16), flush=True)
print("attempt", os.environ["HAI_ATTEMPT"], flush=True)
while os.environ["HAI_ATTEMPT"] == "1":
    time.sleep(0.05)
    if client.receive_suspend_command():
        client.go_suspend()
"""


@pytest.fixture
def platform(
    public_dir: Path, postgres_url: str, cluster: Cluster, namespace: str
) -> Iterator[PodPlatform]:
    site = public_dir / "site"
    site.mkdir(mode=0o755)
    settings = {"HAI_KUBERNETES__AS_USER": "true"}
    made = start_platform(site, postgres_url, cluster, namespace, **settings)
    (made.data_dir / "logs").chmod(0o1777)  # as an admin gives it to all users
    try:
        yield made
    finally:
        made.close()


def test_it_runs_is_suspended_and_goes_on(platform: PodPlatform) -> None:
    task = platform.submit("bob", name=platform.script_of("spy.py", _SPY), priority="LOW", nodes=2)
    platform.wait_text(task, "attempt 1")
    assert f"program {BOB_UID} agent {{'{BOB_UID}'}} 0" in platform.text(task)
    pod = json.loads(platform.kubectl("get", "pod", f"hai-{task}-1-0", "-o", "json"))
    assert "initContainers" not in pod["spec"]
    assert pod["spec"]["securityContext"]["runAsUser"] == BOB_UID
    urgent = platform.submit(
        name=platform.script_of("short.py", "print('short')\n"), nodes=2, priority="HIGH"
    )
    platform.wait(urgent, "succeeded", timeout=_LONG)
    platform.wait(task, "succeeded", timeout=_LONG)
    outcomes = [attempt["outcome"] for attempt in platform.detail(task)["attempt_list"]]
    assert outcomes == ["suspended-clean", "succeeded"]
    platform.wait_clean()
