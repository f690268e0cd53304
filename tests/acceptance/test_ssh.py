"""OpenSSH's own client through the platform: shell, scp, rsync, forwarded ports, git, ends."""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.forwarding import SERVES, exchanged
from tests.acceptance.person import Person
from tests.acceptance.tasks import left_of, running, stopped
from tests.live import Live, free_port
from tests.waiting import PATIENCE_SECONDS, wait_until

pytestmark = [
    pytest.mark.acceptance,
    pytest.mark.skipif(
        not Path("/usr/sbin/sshd").exists() or shutil.which("ssh") is None,
        reason="needs OpenSSH's client and server",
    ),
]


@pytest.fixture(scope="module")
def task(shared_live: Live) -> Iterator[int]:
    task = running(shared_live, "serves.py", text=SERVES, nodes=2)
    yield task
    stopped(shared_live, task)


@pytest.fixture(scope="module")
def config(hai: Person) -> Path:
    """Of a home where `hai-cli ssh --config` was typed."""
    home = hai.live.directory / "home"
    (home / ".ssh").mkdir(parents=True)
    (home / ".ssh" / "config").write_text("Host other\n    Port 1\n")
    for _ in range(2):
        done = hai("ssh", "--config", HOME=str(home))
        assert done.code == 0, done.err
    path = home / ".ssh" / "config"
    include, blank, *rest = path.read_text().splitlines()
    assert include.startswith("Include ")
    assert (blank, rest) == ("", ["Host other", "    Port 1"])
    return path


def ssh(config: Path, *words: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return done_with([words[0], "-F", str(config), *words[1:]], stdin=stdin)


def done_with(
    words: list[str], *, stdin: bytes = b"", env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        words, input=stdin, capture_output=True, check=False, timeout=120, env=env
    )


def test_a_command_has_the_program_s_variables(config: Path, task: int) -> None:
    line = "echo $HAI_TASK_ID $RANK; echo oops >&2; cat; exit 41"
    done = ssh(config, "ssh", f"hai-{task}.1", line, stdin=b"in\0put")
    assert (done.returncode, done.stdout) == (41, b"%d 1\nin\0put" % task), done.stderr
    assert done.stderr == b"oops\n"


def test_scp_rsync_and_a_forwarded_port(
    config: Path, task: int, shared_live: Live, tmp_path: Path
) -> None:
    blob = os.urandom(5_000_000)
    (tmp_path / "blob").write_bytes(blob)
    there = shared_live.work_dir / "by-scp"
    done = ssh(config, "scp", str(tmp_path / "blob"), f"hai-{task}:{there}")
    assert done.returncode == 0, done.stderr
    assert there.read_bytes() == blob
    target = f"hai-{task}:{shared_live.work_dir}/synced/"
    synced = done_with(["rsync", "-a", "-e", f"ssh -F {config}", f"{tmp_path}/", target])
    assert synced.returncode == 0, synced.stderr
    assert (shared_live.work_dir / "synced" / "blob").read_bytes() == blob
    echo = int(shared_live.text(task, rank="0").split()[2])
    here = free_port()
    ports = f"127.0.0.1:{here}:127.0.0.1:{echo}"
    words = ["ssh", "-F", str(config), "-N", "-L", ports, f"hai-{task}"]
    forward = subprocess.Popen(words, stdin=subprocess.DEVNULL)
    try:

        def there_is() -> socket.socket | None:
            try:
                return socket.create_connection(("127.0.0.1", here), 5)
            except OSError:
                return None

        call = wait_until(there_is, 60, what="ssh's forwarded port")
        assert call is not None
        with call:
            call.setblocking(False)
            assert exchanged(call, blob[:500_000]) == blob[:500_000]
    finally:
        forward.terminate()
        forward.wait(PATIENCE_SECONDS)


def test_git_clones_out_of_a_task(
    config: Path, task: int, shared_live: Live, tmp_path: Path
) -> None:
    repository = shared_live.work_dir / "repo"
    repository.mkdir()
    settings = tmp_path / "gitconfig"
    settings.write_text("[user]\n  name = A\n  email = a@b\n")
    own = {
        **os.environ,
        "GIT_CONFIG_GLOBAL": str(settings),
        "GIT_SSH_COMMAND": f"ssh -F {config}",
    }
    for command in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "first"]):
        subprocess.run(["git", *command], cwd=repository, env=own, check=True)
    source = f"hai-{task}:{repository}"
    done = done_with(["git", "clone", "-q", source, str(tmp_path / "clone")], env=own)
    assert done.returncode == 0, done.stderr


def test_hai_cli_ssh_at_a_terminal(hai: Person, task: int) -> None:
    with hai.terminal("ssh", str(task), "--rank", "1") as shell:
        shell.child.sendline("echo rank=$RANK; tty")
        shell.child.expect("rank=1")
        shell.child.expect("/dev/pts/[0-9]+")
        shell.child.sendline("exit 9")
        shell.child.wait()
        assert shell.child.exitstatus == 9
    done = hai("ssh", str(task), "--", "exit 12")
    assert done.code == 12, done.err


def test_the_wrong_name_is_refused_in_words(config: Path, task: int) -> None:
    wrong = ssh(config, "ssh", "-l", "nobody", f"hai-{task}", "true")
    assert wrong.returncode == 255
    assert b"not as nobody" in wrong.stderr


def test_no_other_key_opens_the_door(config: Path, task: int, tmp_path: Path) -> None:
    key, known = tmp_path / "key", tmp_path / "known"
    make = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)]
    subprocess.run(make, check=True)
    entry = Path(config.read_text().split('"')[1]).read_text()
    proxy = next(line.strip() for line in entry.splitlines() if "ProxyCommand" in line)
    options = [
        proxy.replace(" ", "=", 1),
        *(f"IdentityFile={key}", "IdentitiesOnly=yes", "BatchMode=yes"),
        *("StrictHostKeyChecking=no", f"UserKnownHostsFile={known}"),
    ]
    words = [word for option in options for word in ("-o", option)]
    refused = done_with(["ssh", "-F", "none", *words, f"root@hai-{task}", "true"])
    assert refused.returncode == 255
    assert b"Permission denied (publickey)" in refused.stderr


def test_the_end_of_the_task_ends_ssh(hai: Person, config: Path) -> None:
    task = running(hai.live, "ends.sh")
    words = ["ssh", "-F", str(config), f"hai-{task}", "echo in; sleep 600"]
    client = subprocess.Popen(words, stdout=subprocess.PIPE)
    with client:
        assert client.stdout is not None
        assert client.stdout.readline() == b"in\n"
        stopped(hai.live, task)
        assert client.wait(60) == 255
    assert left_of(hai.live, task) == []
