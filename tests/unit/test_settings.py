"""Where settings come from, and what a wrong one is called."""

from pathlib import Path

import pytest

from hai.errors import InvalidInput
from hai.settings import load_settings


def test_environment_wins_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "override.toml"
    file.write_text("[server]\nport = 1\n[suspend]\ngrace_seconds = 7\n")
    monkeypatch.setenv("HAI_SERVER__PORT", "2")
    settings = load_settings(file)
    assert (settings.server.port, settings.suspend.grace_seconds) == (2, 7)


def test_the_clients_variable_is_not_taken_for_a_section(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HAI_SERVER", "http://elsewhere")
    assert load_settings().server.port == 7420


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        pytest.param("[server]\nprot = 1\n", "server.prot", id="unknown key"),
        pytest.param("[server]\nport = 70000\n", "server.port", id="out of range"),
        pytest.param("[sever]\n", "sever", id="unknown section"),
        pytest.param("[server\n", "TOML", id="not TOML"),
    ],
)
def test_a_wrong_file_is_named_with_the_key(tmp_path: Path, text: str, complaint: str) -> None:
    file = tmp_path / "override.toml"
    file.write_text(text)
    with pytest.raises(InvalidInput) as caught:
        load_settings(file)
    assert complaint in f"{caught.value.message} {caught.value.hint}"
    assert "\n" not in caught.value.message


def test_a_missing_file_is_no_traceback(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="no configuration file"):
        load_settings(tmp_path / "none.toml")


def test_secrets_are_not_printed() -> None:
    settings = load_settings(store={"url": "postgresql://u:Wolpertinger@h/d"})
    assert "Wolpertinger" not in repr(settings)
    assert "Wolpertinger" not in settings.model_dump_json()
