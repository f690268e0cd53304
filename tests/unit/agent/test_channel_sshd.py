"""What OpenSSH's server is told, and what is said where there is none."""

import os
import pwd
import shutil
from pathlib import Path
from typing import Any

import pytest

from hai.agent.channel import sshd
from hai.agent.channel.local_process import ProgramContext
from hai.agent.channel.loop import PollLoop
from hai.agent.channel.mux import Mux, Stream
from hai.agent.channel.websocket import WebSocket

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOr0"


def place(folder: Path, **more: Any) -> ProgramContext:
    data = {
        "account": {"uid": os.getuid(), "gid": os.getgid(), "groups": [], "drops": False},
        "in_container": False,
        "processes": 0,
        "capabilities": [],
        "user": "ada",
        "environment": {"HOME": str(folder), "QUOTED": 'a "b" \\c', "LINES_TWO": "a\nb", "1X": "y"},
        "workspace": "",
        "control_dir": str(folder),
        "address": "127.0.0.1",
        **more,
    }
    return ProgramContext(data)


def stream() -> Stream:
    return Stream(Mux(WebSocket.__new__(WebSocket)), 1)


def test_an_image_without_a_server_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sshd, "_FOLDERS", str(tmp_path))
    with pytest.raises(ValueError, match="this image has no OpenSSH server: install"):
        sshd.begin(stream(), {"key": KEY}, PollLoop(), place(tmp_path))


@pytest.mark.parametrize(
    "key", ["", "no key", 'command="x" ssh-ed25519 AAAA', "cert-authority ssh-rsa AAAA"]
)
def test_only_a_key_is_taken_as_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name, path: f"/x/{name}")
    with pytest.raises(ValueError, match="no public key"):
        sshd.begin(stream(), {"key": key}, PollLoop(), place(tmp_path))


def test_what_follows_a_key_is_left_out(tmp_path: Path) -> None:
    own = place(tmp_path)
    (tmp_path / "ssh").mkdir()
    key = sshd._KEY.match(f"{KEY}\nssh-rsa BBBB")
    assert key is not None
    path = Path(sshd._configured(str(tmp_path / "ssh"), key.group(), own))
    keys = next((tmp_path / "ssh").glob("keys.*"))
    assert keys.read_text() == f"{KEY}\n"
    assert keys.stat().st_mode & 0o777 == 0o600
    text = path.read_text()
    assert 'SetEnv "HOME=' in text
    assert '"QUOTED=a \\"b\\" \\\\c"' in text
    assert "LINES_TWO" not in text
    assert "1X" not in text
    for promise in ("PasswordAuthentication no", "UsePAM no", "PermitUserEnvironment no"):
        assert promise in text


def test_an_account_without_a_name_is_told(tmp_path: Path) -> None:
    nobody = {"uid": 4_000_000_001, "gid": 1, "groups": [], "drops": False}
    with pytest.raises(ValueError, match="uid 4000000001 has no name there"):
        sshd._account("", place(tmp_path, account=nobody))


def test_a_node_on_which_ssh_makes_no_terminal_is_told() -> None:
    assert "mounted without gid=5" in sshd.terminal_trouble(1000, 1000, 5)
    assert sshd.terminal_trouble(1000, 5, 5) == ""
    assert sshd.terminal_trouble(0, 0, 5) == ""


def test_another_s_name_is_refused(tmp_path: Path) -> None:
    own = pwd.getpwuid(os.getuid()).pw_name
    assert sshd._account("", place(tmp_path)) == own
    assert sshd._account(own, place(tmp_path)) == own
    for other in ("nobody", "no-such-user"):
        with pytest.raises(ValueError, match=f"run as {own} there, not as {other}"):
            sshd._account(other, place(tmp_path))
