# ruff: noqa: S105, S106 - the tokens here are made up

import os
import stat
from pathlib import Path

import pytest

from hai.client import profile
from hai.client.profile import Profile, load_profile, normal_url, save_profile
from hai.errors import AuthRequired, InvalidInput, PlatformError, Unreachable


def environ(tmp_path: Path, **more: str) -> dict[str, str]:
    return {"HAI_CONF": str(tmp_path / "conf.yaml"), **more}


def test_saved_is_loaded_and_private(tmp_path: Path) -> None:
    path = tmp_path / "new" / "conf.yaml"
    saved = Profile(url="http://127.0.0.1:7420", token="t:#'\"\\", user="alice")
    save_profile(saved, path)
    assert load_profile({"HAI_CONF": str(path)}) == saved
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert os.listdir(path.parent) == ["conf.yaml"]  # noqa: PTH208


def test_saving_repairs_the_mode_and_keeps_a_link(tmp_path: Path) -> None:
    real, link = tmp_path / "dot.yaml", tmp_path / "conf.yaml"
    real.write_text("token: old\n")
    real.chmod(0o644)
    link.symlink_to(real)
    save_profile(Profile(token="new"), link)
    assert link.is_symlink()
    assert stat.S_IMODE(real.stat().st_mode) == 0o600
    assert load_profile({"HAI_CONF": str(link)}).token == "new"


def test_a_failed_save_leaves_the_old_one(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(PlatformError):
        save_profile(Profile(token="x"), tmp_path / "file" / "conf.yaml")


def test_a_readable_token_is_warned_about(tmp_path: Path) -> None:
    path = tmp_path / "conf.yaml"
    path.write_text("token: secret\n")
    path.chmod(0o644)
    warnings: list[str] = []
    load_profile(environ(tmp_path), warnings.append)
    assert "chmod 600" in warnings[0]
    assert "secret" not in warnings[0]
    path.chmod(0o600)
    load_profile(environ(tmp_path), warnings.append)
    assert len(warnings) == 1


def test_the_file_wins_and_the_environment_fills_up(tmp_path: Path) -> None:
    more = {"HAI_SERVER": "http://a:1", "MARSV2_SERVER": "http://b:1", "MARSV2_USER_TOKEN": "m"}
    assert load_profile(environ(tmp_path, **more)) == Profile(url="http://a:1", token="m")
    (tmp_path / "conf.yaml").write_text("url: http://file:1/\n")
    (tmp_path / "conf.yaml").chmod(0o600)
    assert load_profile(environ(tmp_path, **more)) == Profile(url="http://file:1", token="m")
    assert load_profile(environ(tmp_path, HAI_TOKEN="h", **more)).token == "h"


def test_what_is_missing_is_told_when_it_is_needed(tmp_path: Path) -> None:
    found = load_profile(environ(tmp_path))
    with pytest.raises(Unreachable):
        found.require_url()
    with pytest.raises(AuthRequired):
        found.require_token()


@pytest.mark.parametrize(
    "content",
    [b"- a\n", b"just text\n", b"a: [\n", b"\xff\xfe", b"token: 'a b'\n", b"url: ftp://x\n"],
)
def test_files_that_can_not_be_used(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "conf.yaml").write_bytes(content)
    with pytest.raises(InvalidInput):
        load_profile(environ(tmp_path))


def test_a_directory_as_file(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="Is a directory"):
        load_profile({"HAI_CONF": str(tmp_path)})


def test_without_pyyaml_plain_lines_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "conf.yaml"
    save_profile(Profile(url="http://h:1", token='t"1', user="a"), path)
    path.write_text(f"# mine\n\n{path.read_text()}other: 'x'\n")
    monkeypatch.setitem(__import__("sys").modules, "yaml", None)
    assert load_profile(environ(tmp_path)) == Profile(url="http://h:1", token='t"1', user="a")
    path.write_text("no colon\n")
    with pytest.raises(InvalidInput):
        load_profile(environ(tmp_path))


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("http://h:1/", "http://h:1"),
        ("localhost:7420", "http://localhost:7420"),
        ("127.0.0.1:7420", "http://127.0.0.1:7420"),
        ("hai.example", "https://hai.example"),
        ("https://h/base/", "https://h/base"),
    ],
)
def test_urls(text: str, url: str) -> None:
    assert normal_url(text) == url


@pytest.mark.parametrize(
    "text",
    ["", "http://", "file:///x", "http://u:p@h", "http://h?token=x", "http://h:x", "http://[::"],
)
def test_no_urls(text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        normal_url(text)
    assert "p@h" not in str(caught.value)


def test_the_token_is_not_in_the_repr() -> None:
    assert "secret" not in repr(Profile(token="secret"))


def test_default_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/x")
    assert profile.conf_path({}) == Path("/home/x/.hai/conf.yaml")
