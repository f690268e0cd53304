"""Rows of an init.sql as a pod shows them: mount, image, quota; and secrets that nothing shows."""

import base64
import json
import subprocess

import pytest

from hai.agent.capabilities import NAMES
from hai.store.database import connection_settings
from tests.kubernetes.platform import PodPlatform

pytestmark = pytest.mark.acceptance

_LONG = 180
UID = 64322
SECRET = "planted-0123456789abcdef"  # noqa: S105 - of a user who exists in this test only
PASSWORD = "planted-fedcba9876543210"  # noqa: S105 - the server takes any on its own socket
SQL = """\
INSERT INTO "user" (user_id, user_name, token, role, active, shared_group)
VALUES ({uid}, 'maria', '{secret}', 'internal', true, 'vision') ON CONFLICT DO NOTHING;
INSERT INTO quota (user_name, resource, quota) VALUES
    ('vision', 'node-training-NORMAL', 2), ('public', 'train_environment:hai_base', 1),
    ('vision', 'cap:IPC_LOCK', 1);
INSERT INTO train_environment (env_name, image, config) VALUES
    ('hai_base', '{image}', '{{"environments": {{"FROM_ROW": "1"}}, "python": "python3"}}');
INSERT INTO storage (host_path, mount_path, owners, conditions, mount_type, read_only) VALUES
    ('{nfs}/{{user.user_name}}', '/home/{{user.user_name}}', ARRAY['vision'], '{{}}',
     'Directory', 'f');
"""
SPY = """
import glob, os, time
print("mounted", open("/home/maria/hello").read())
open("/home/maria/written", "w").write(str(os.getuid()))
print("status", [line for line in open("/proc/self/status") if line.startswith("Cap")])
for kind in ("cmdline", "environ"):
    for path in glob.glob(f"/proc/[0-9]*/{kind}"):
        try:
            print(path, open(path, "rb").read())
        except OSError as error:
            print(path, error.strerror)
print(dict(os.environ))
print("shown", flush=True)
while not os.path.exists("go"):
    time.sleep(0.05)
"""


@pytest.fixture
def postgres_url(postgres_url: str) -> str:
    """With a password, as databases elsewhere have one."""
    return f"{postgres_url}&password={PASSWORD}"


def imported(platform: PodPlatform) -> str:
    """What the command said."""
    nfs = platform.directory / "nfs"
    (nfs / "maria").mkdir(parents=True)
    (nfs / "maria" / "hello").write_text("from the row")
    (nfs / "maria").chmod(0o777)
    file = platform.directory / "init.sql"
    file.write_text(SQL.format(uid=UID, secret=SECRET, image=platform.cluster.image, nfs=nfs))
    done = subprocess.run(
        platform.command("import", str(file)),
        text=True,
        capture_output=True,
        env=platform.environment(),
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_an_image_of_ones_own_gets_no_capability_and_says_so(platform: PodPlatform) -> None:
    """Nothing of it is root, so that nobody is there who could hand a capability on."""
    imported(platform)
    platform.tokens["maria"] = SECRET
    name = platform.script_of(
        "own.py", "print([line for line in open('/proc/self/status') if 'CapEff' in line])"
    )
    image = {"group": "training", "node_count": 1, "image": platform.cluster.image}
    task = platform.submit("maria", name=name, resource=image)
    platform.wait(task, "succeeded", timeout=_LONG)
    text = platform.text(task)
    assert "without the capabilities of its quota: IPC_LOCK" in text
    assert f"CapEff:\\t{0:016x}" in text


def secrets_of(platform: PodPlatform, pod: str) -> dict[str, str]:
    """The users' tokens, the worker's and the password of the database."""
    data = json.loads(platform.kubectl("get", "secret", pod, "-o", "json"))["data"]
    spec = json.loads(base64.b64decode(data["spec.json"]))
    found = {**platform.tokens, "worker": str(spec["token"])}
    assert connection_settings(platform.database_url)["password"] == PASSWORD
    return {**found, "database": PASSWORD}


def test_rows_are_visible_in_a_pod_and_secrets_nowhere(platform: PodPlatform) -> None:
    said = imported(platform)
    platform.tokens["maria"] = SECRET
    name = platform.script_of("spy.py", SPY)
    task = platform.submit("maria", name=name, resource={
        "group": "training", "node_count": 1, "image": "hai_base",
    })  # fmt: skip
    platform.wait_text(task, "shown")
    pod = f"hai-{task}-1-0"
    shown = json.loads(platform.kubectl("get", "pod", pod, "-o", "json"))
    container = shown["spec"]["containers"][0]
    assert container["image"] == platform.cluster.image
    assert {"name": "FROM_ROW", "value": "1"} in container["env"]
    assert "IPC_LOCK" in container["securityContext"]["capabilities"]["add"]
    assert "/home/maria" in {mount["mountPath"] for mount in container["volumeMounts"]}
    text = platform.text(task)
    assert "mounted from the row" in text
    assert f"CapEff:\\t{1 << NAMES.index('IPC_LOCK'):016x}" in text
    assert "'FROM_ROW': '1'" in text
    assert (platform.directory / "nfs/maria/written").read_text() == str(UID)

    secrets = secrets_of(platform, pod)
    assert secrets["worker"]
    manifests = platform.kubectl("get", "pods,services,configmaps,events", "-o", "yaml")
    with platform.client() as admin:
        events = admin.get(f"/tasks/{task}/events").text + admin.get(f"/tasks/{task}").text
    (platform.work_dir / "go").touch()
    platform.wait(task, "succeeded", timeout=_LONG)
    places = {
        "manifest or event of the cluster": manifests,
        "argv, environment or log of the task": text,
        "event or detail of the task": events,
        "log of the server": platform.log(),
        "output of the import": said,
    }
    leaks = [(place, whose) for place, where in places.items()
             for whose, secret in secrets.items() if secret in where]  # fmt: skip
    assert not leaks
    platform.wait_clean()
