"""OpenSSH's own client through the platform: shell, scp, rsync, forwarded ports, git, ends."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.person import Person
from tests.acceptance.tasks import running, stopped
from tests.acceptance.test_forward import SERVES, exchanged
from tests.live import Live, free_port
from tests.waiting import wait_until

pytestmark = [
    pytest.mark.acceptance,
    pytest.mark.timeout(240),
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
    return subprocess.run(
        words_of(config, *words), input=stdin, capture_output=True, check=False, timeout=120
    )


def words_of(config: Path, *words: str) -> list[str]:
    program, *rest = words
    return [program, "-F", str(config), *rest]


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
    synced = subprocess.run(
        [
            "rsync",
            "-a",
            "-e",
            f"ssh -F {config}",
            f"{tmp_path}/",
            f"hai-{task}:{shared_live.work_dir}/synced/",
        ],
        capture_output=True,
        check=False,
        timeout=120,
    )
    assert synced.returncode == 0, synced.stderr
    assert (shared_live.work_dir / "synced" / "blob").read_bytes() == blob
    echo = int(shared_live.text(task, rank="0").split()[2])
    here = free_port()
    words = words_of(config, "ssh", "-N", "-L", f"127.0.0.1:{here}:127.0.0.1:{echo}", f"hai-{task}")
    forward = subprocess.Popen(words, stdin=subprocess.DEVNULL)
    try:
        import socket

        def there_is() -> socket.socket | None:
            try:
                return socket.create_connection(("127.0.0.1", here), 5)
            except OSError:
                return None

        call = wait_until(there_is, 60, what="ssh's forwarded port")
        with call:
            call.setblocking(False)
            assert exchanged(call, blob[:500_000]) == blob[:500_000]
    finally:
        forward.terminate()
        forward.wait(30)


def test_git_clones_out_of_a_task(
    config: Path, task: int, shared_live: Live, tmp_path: Path
) -> None:
    repository = shared_live.work_dir / "repo"
    own = {
        **os.environ,
        "GIT_CONFIG_GLOBAL": str(tmp_path / "gitconfig"),
        "GIT_SSH_COMMAND": f"ssh -F {config}",
    }
    (tmp_path / "gitconfig").write_text(
        "[user]\n  name = A\n  email = a@b\n[safe]\n  directory = *\n"
    )
    for command in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "first"]):
        repository.mkdir(exist_ok=True)
        subprocess.run(["git", *command], cwd=repository, env=own, check=True)
    done = subprocess.run(
        ["git", "clone", "-q", f"hai-{task}:{repository}", str(tmp_path / "clone")],
        env=own,
        capture_output=True,
        check=False,
        timeout=120,
    )
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


def test_the_wrong_name_and_the_wrong_key_are_refused(
    config: Path, task: int, tmp_path: Path
) -> None:
    wrong = ssh(config, "ssh", "-l", "nobody", f"hai-{task}", "true")
    assert wrong.returncode == 255
    assert b"not as nobody" in wrong.stderr
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "key")], check=True
    )
    words = [
        "-o",
        f"IdentityFile={tmp_path / 'key'}",
        "-o",
        "IdentitiesOnly=yes",
        "-o",
        "BatchMode=yes",
    ]
    # the key of the profile comes first in the entry: leave the file out, keep the connection
    entry = Path(config.read_text().split('"')[1]).read_text()
    proxy = next(line.strip() for line in entry.splitlines() if "ProxyCommand" in line)
    name, _, value = proxy.partition(" ")
    refused = subprocess.run(
        [
            "ssh",
            "-F",
            "none",
            "-o",
            f"{name}={value}",
            *words,
            "-o",
            "StrictHostKeyChecking=no",
            "-o",
            f"UserKnownHostsFile={tmp_path / 'known'}",
            f"root@hai-{task}",
            "true",
        ],
        capture_output=True,
        check=False,
        timeout=120,
    )
    assert refused.returncode == 255
    assert b"Permission denied (publickey)" in refused.stderr


def test_the_end_of_the_task_ends_ssh(hai: Person, config: Path) -> None:
    task = running(hai.live, "ends.sh")
    client = subprocess.Popen(
        words_of(config, "ssh", f"hai-{task}", "echo in; sleep 600"), stdout=subprocess.PIPE
    )
    with client:
        assert client.stdout is not None
        assert client.stdout.readline() == b"in\n"
        stopped(hai.live, task)
        assert client.wait(60) == 255
    wait_until(
        lambda: (
            not any(
                "sshd" in p.name()
                for p in hai.live.programs()
                if str(task) in str(p.environ().get("HAI_TASK_ID"))
            )
        ),
        what="no sshd is left",
    )


def test_an_image_without_sshd_says_so(
    hai: Person, config: Path, task: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mount namespace in which there is none stands for such an image."""
    if os.getuid() != 0:
        pytest.skip("only root can hide a program from a task")
    hide = "mount --bind /dev/null /usr/sbin/sshd && echo up && exec sleep 600\n"
    del monkeypatch, task
    live = hai.live
    hidden = running(live, "hidden.sh", text=f"true up\nexec unshare -m sh -c '{hide.strip()}'\n")
    stopped(live, hidden)
