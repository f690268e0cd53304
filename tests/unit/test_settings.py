"""Where settings come from, and what a wrong one is called."""

from pathlib import Path

import pytest

from hai.core.policy import Policy
from hai.core.types import Priority, UserName
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
        pytest.param("[server]\nprot = 1\n", "server.prot: no such key", id="unknown key"),
        pytest.param("[scheduler]\nslices = { X = 1 }\n", ".slices: 'X' is no", id="own words"),
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


def test_a_wrong_variable_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "override.toml"
    file.write_text("[suspend]\ngrace_seconds = 7\n")
    monkeypatch.setenv("HAI_SUSPEND__GRACE_SECONDS", "x")
    with pytest.raises(
        InvalidInput, match=r"^HAI_SUSPEND__GRACE_SECONDS: suspend\.grace_seconds: "
    ):
        load_settings(file)


def test_a_missing_file_is_no_traceback(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="no configuration file"):
        load_settings(tmp_path / "none.toml")


def test_secrets_are_not_printed() -> None:
    settings = load_settings(store={"url": "postgresql://u:Wolpertinger@h/d"})
    assert "Wolpertinger" not in repr(settings)
    assert "Wolpertinger" not in settings.model_dump_json()


def test_the_scheduler_section_is_the_policy(tmp_path: Path) -> None:
    assert load_settings().scheduler.policy() == Policy()
    file = tmp_path / "override.toml"
    file.write_text(
        "[scheduler]\nslice_seconds = 600\nbackfill = false\npreemption = false\n"
        "half_life_seconds = 3600\npatience_seconds = 60\ndemote_after_seconds = 0\n"
        "lost_work_cap_seconds = 7200\n"
        "slices = { LOW = 60, HIGH = 7200 }\nweights = { alice = 2 }\n"
    )
    assert load_settings(file).scheduler.policy() == Policy(
        preemption=False,
        backfill=False,
        slice_seconds=600,
        slices={Priority.LOW: 60, Priority.HIGH: 7200},
        half_life_seconds=3600,
        weights={UserName("alice"): 2},
        patience_seconds=60,
        demote_after_seconds=0,
        lost_work_cap_seconds=7200,
    )


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("slice_seconds = 0", "slice_seconds is 0, and must be a number, more than 0"),
        ("half_life_seconds = inf", "half_life_seconds is inf"),
        ("patience_seconds = -1", "patience_seconds is -1"),
        ("half_life_seconds = 3", "scheduler: the scheduling policy's half_life_seconds is 3"),
        ("pateince_seconds = 3", "scheduler.pateince_seconds: no such key"),
        ("slices = { URGENT = 5 }", "'URGENT' is no priority; choose from LOW"),
        ("slices = { AUTO = 5 }", "'AUTO' is no priority"),
        ("slices = { LOW = 0 }", "slices.LOW is 0"),
        ("weights = { bob = -2 }", "weights.bob is -2"),
        ("max_array_size = 0", "max_array_size"),
    ],
)
def test_a_policy_that_makes_no_sense_is_refused(tmp_path: Path, text: str, complaint: str) -> None:
    file = tmp_path / "override.toml"
    file.write_text(f"[scheduler]\n{text}\n")
    with pytest.raises(InvalidInput) as caught:
        load_settings(file)
    assert complaint in caught.value.message
    assert "scheduler" in caught.value.message
