"""What all tests share: a clean environment and one PostgreSQL per test process."""

import asyncio
import itertools
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import hypothesis
import psycopg
import pytest

from hai.errors import PlatformError
from hai.store.database import connection_settings
from hai.store.migrate import migrate
from hai_up.postgres import EmbeddedPostgres
from tests import leftovers

PG_BIN = Path(os.environ["HAI_PG_BIN"]) if os.environ.get("HAI_PG_BIN") else None
_TEMPLATE = "hai_template"

# An assertion that fails in a module beside the tests shows its values too.
pytest.register_assert_rewrite(
    *({f"tests.{path.stem}" for path in Path(__file__).parent.iterdir()} - set(sys.modules))
)

# The same examples every time, so that a change is judged by what it changes; the nightly run looks
# for new ones.
# A busy machine is no fault of the code: examples have no deadline.
hypothesis.settings.register_profile("same", derandomize=True, deadline=None)
if os.environ.get("HYPOTHESIS_PROFILE") != "nightly":
    hypothesis.settings.load_profile("same")
_database_numbers = itertools.count(1)

# A shell has what it starts in the background ignore Ctrl-C; the programs that tests start must not
# inherit that from a test run in the background.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_unconfigure() -> None:
    leftovers.close()


@pytest.fixture(scope="session", autouse=True)
def _watched_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What runs in pytest's own folders ends with the run."""
    with leftovers.keeping(folder=str(tmp_path_factory.getbasetemp())):
        yield


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let tests of one xdist_group run in one process: pytest-xdist 3.8 writes the group behind the
    name in a field that pytest >= 9.2 does not read any more."""
    for item in items:
        named = vars(item).get("_nodeid", "")
        if "@" in named and named != item.nodeid:
            item._id = type(item.id).parse(named)


def forget_settings(patch: pytest.MonkeyPatch) -> None:
    """Take the settings of whoever runs the tests out of the environment."""
    for name in list(os.environ):
        if name.startswith(("HAI_", "MARSV2_")):
            patch.delenv(name)


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees the settings of whoever runs it."""
    forget_settings(monkeypatch)


@dataclass(frozen=True)
class PostgresServer:
    """A running server with a migrated template database; not safe against crashes."""

    postgres: EmbeddedPostgres

    def url_of(self, database: str) -> str:
        return self.postgres.url.replace(":///hai?", f":///{database}?", 1)

    def run(self, sql: str, database: str = "hai") -> None:
        with psycopg.connect(self.url_of(database), autocommit=True) as connection:
            connection.execute(sql.encode())

    def create(self, template: str) -> str:
        """The name of a new database."""
        name = f"test_{next(_database_numbers)}"
        self.run(f"CREATE DATABASE {name} TEMPLATE {template}")
        return name

    def drop(self, name: str) -> None:
        self.run(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    @contextmanager
    def database(self, template: str = _TEMPLATE) -> Iterator[str]:
        """The URL of a new database with the current schema, for as long as it is needed."""
        name = self.create(template)
        yield self.url_of(name)
        self.drop(name)


@contextmanager
def public_directory() -> Iterator[Path]:
    """A folder that an unprivileged account may walk through (pytest's own are 0700)."""
    path = Path(tempfile.mkdtemp(prefix="hai-test-", dir="/tmp"))
    path.chmod(0o711)
    with leftovers.keeping(folder=str(path), remove=True):
        try:
            yield path
        finally:
            shutil.rmtree(path)


@pytest.fixture
def public_dir() -> Iterator[Path]:
    """A folder that an unprivileged account may walk through (pytest's own are 0700)."""
    with public_directory() as directory:
        yield directory


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """One server for all tests of this process; skips the test when there is no PostgreSQL."""
    with public_directory() as directory:
        postgres = EmbeddedPostgres(directory, bin_dir=PG_BIN, durable=False)
        try:
            postgres.start()
        except PlatformError as error:
            if not error.message.startswith("PostgreSQL not found") or os.environ.get("CI"):
                raise
            pytest.skip(error.message)
        try:
            server = PostgresServer(postgres)
            server.run(f"CREATE DATABASE {_TEMPLATE}")
            _migrate(server.url_of(_TEMPLATE))
            yield server
        finally:
            postgres.stop("immediate")


def _migrate(url: str) -> None:
    """In a thread: the first test that asks for the server may be inside an event loop."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(lambda: asyncio.run(migrate(connection_settings(url)))).result()


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    """A database of one's own with the current schema."""
    with postgres_server.database() as url:
        yield url


@pytest.fixture
def empty_postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    """A database of one's own with nothing in it."""
    with postgres_server.database("template1") as url:
        yield url
