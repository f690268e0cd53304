"""The containers in which hai-server's programs reach the database of a platform with Docker."""

from pathlib import Path

from hai_up.compose.options import compose_options
from hai_up.compose.plan import secrets_folder
from hai_up.providers.compose.job import server_program, version_program


def test_a_program_sees_what_is_there_and_the_engine_logs_nothing_of_it(tmp_path: Path) -> None:
    options = compose_options({"SHARED_FS_ROOT": str(tmp_path), "BASE_IMAGE": "hai:1"})
    folder = Path(secrets_folder(options))
    folder.mkdir(parents=True)
    for name in ("signing-key", "pgpass", "postgres-password"):
        (folder / name).write_text("nobody-sees-this")
    words = server_program(options, "dump")
    assert words[-5:] == ["hai:1", "hai-server", "dump", "--config", "/hai/config/override.toml"]
    assert words[words.index("--log-driver") + 1] == "none"
    assert words[words.index("--network") + 1] == "hai-platform"
    mounts = [words[at + 1] for at, word in enumerate(words) if word == "--volume"]
    places = {mount.split(":")[1] for mount in mounts}
    assert places == {
        "/hai/config/override.toml",
        "/run/secrets/pgpass",  # of the database
        "/run/secrets/signing-key",
    }
    assert all(mount.endswith(":ro") for mount in mounts)
    assert "nobody-sees-this" not in " ".join(words)


def test_two_programs_do_not_get_into_each_others_way(tmp_path: Path) -> None:
    options = compose_options({"SHARED_FS_ROOT": str(tmp_path), "BASE_IMAGE": "hai:1"})
    commands = [server_program(options, "dump") for _ in range(2)]
    names = {words[words.index("--name") + 1] for words in commands}
    assert len(names) == 2


def test_whoever_asks_an_image_for_its_version_gives_it_nothing(tmp_path: Path) -> None:
    options = compose_options({"SHARED_FS_ROOT": str(tmp_path), "BASE_IMAGE": "hai:2"})
    words = version_program(options)
    assert words[-3:] == ["hai:2", "hai-server", "--version"]
    assert words[words.index("--network") + 1] == "none"
    assert "--volume" not in words
