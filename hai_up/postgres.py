"""A PostgreSQL server of our own: one folder, one Unix socket, no TCP, small.

    <data_dir>/postgres/        ours; when we are root it stays root's, and only the three
        data/ log/ socket/      private folders in it belong to the account that runs the server
        settings.conf           written anew at each start
        initialised.json        written once initdb and the first database are complete
        socket_dir              where the socket is, if its path here would be too long
        dist/<version>/         copy of the programs, if the account cannot read the original
        lock                    held while one process starts or stops the server

The server outlives the process that starts it; any later process with the same folder can ask for
its status or stop it. Authentication is "trust", so the socket's folder is closed to others.
"""

import contextlib
import json
import os
import re
import signal
import stat
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import quote

from hai.errors import PlatformError
from hai.files import open_lock, try_lock
from hai_up.account import UnixAccount, account_for
from hai_up.postgres_binaries import Binaries, find_binaries
from hai_up.postgres_files import (
    FORGETFUL,
    SETTINGS,
    SOCKET,
    copy_for_everybody,
    fits,
    is_private,
    write,
)

StopMode = Literal["smart", "fast", "immediate"]

_NAME = "hai"  # of the database and of its owner
_LOG_LINES = 20  # shown with an error
_LOG_BYTES = 8 * 2**20  # a longer log is put aside at the next start
_INIT_SECONDS, _STOP_SECONDS, _ORPHAN_SECONDS = 120.0, 60.0, 10.0
_STILL_IN_USE = "pre-existing shared memory block"
_POLL_SECONDS = 0.02
_SIGNALS: Mapping[StopMode, signal.Signals] = {
    "smart": signal.SIGTERM,
    "fast": signal.SIGINT,
    "immediate": signal.SIGQUIT,
}


@dataclass(frozen=True, slots=True)
class PostgresStatus:
    """`ready`: it answers; running and not ready: it starts, recovers or stops."""

    initialised: bool
    running: bool
    ready: bool
    pid: int | None


class EmbeddedPostgres:
    """One server in `<data_dir>/postgres`. All trouble is a PlatformError with a hint.

    `bin_dir` names the programs to use (see find_binaries); `durable=False` gives up safety
    against crashes for speed.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        bin_dir: Path | None = None,
        durable: bool = True,
        start_timeout_seconds: float = 120.0,
    ) -> None:
        self.home = data_dir.expanduser().absolute() / "postgres"
        self._data = self.home / "data"
        self._log = self.home / "log" / "server.log"
        self._marker = self.home / "initialised.json"
        self._bin_dir = bin_dir
        self._durable = durable
        self._start_timeout = start_timeout_seconds

    @property
    def url(self) -> str:
        """For libpq; valid once the server was started."""
        return f"postgresql:///{_NAME}?host={quote(str(self._socket_dir()))}&user={_NAME}"

    def is_initialised(self) -> bool:
        """Was the database ever set up completely?"""
        return self._marker.exists()

    def status(self) -> PostgresStatus:
        pid, ready = self._running()
        return PostgresStatus(self.is_initialised(), pid is not None, ready, pid)

    def log_tail(self, lines: int = _LOG_LINES) -> list[str]:
        """The last lines of the server's log."""
        return self._log_from(self._log_size() - 200 * lines).splitlines()[-lines:]

    def _log_size(self) -> int:
        try:
            return self._log.lstat().st_size
        except OSError:
            return 0

    def _log_from(self, offset: int) -> str:
        try:  # no link is followed: the folder belongs to a less trusted account than root
            handle = os.open(self._log, os.O_RDONLY | os.O_NOFOLLOW)
        except OSError:
            return ""
        with os.fdopen(handle, "rb") as log:
            log.seek(max(0, offset))
            return log.read().decode("utf-8", "replace")

    def start(self) -> str:
        """Make the server answer, setting it up first if need be; its URL. Idempotent."""
        with self._locked():
            pid, ready = self._running()
            if pid is None:
                account = account_for(self._data)
                binaries = self._binaries(account)
                try:
                    self._prepare(account, binaries)
                    self._launch(account, binaries)
                except OSError as error:
                    raise self._trouble("PostgreSQL could not be started", str(error)) from error
            elif not ready:
                self._await(lambda: self._running()[1], self._start_timeout, "become ready")
            return self.url

    def stop(self, mode: StopMode = "fast") -> None:
        """End the server and wait until it has gone; harmless when it does not run."""
        if not self.home.is_dir():
            return
        with self._locked():
            pid, _ = self._running()
            if pid is None:
                return
            try:
                os.kill(pid, _SIGNALS[mode])
            except ProcessLookupError:
                return
            except PermissionError as error:
                raise PlatformError(
                    f"PostgreSQL (pid {pid}) belongs to another user",
                    hint="stop it as the user who started it",
                ) from error
            self._await(lambda: not self._is_ours(pid), _STOP_SECONDS, "stop")

    def restart(self) -> str:
        self.stop()
        return self.start()

    def _running(self) -> tuple[int | None, bool]:
        """Pid of our server and whether it is ready."""
        try:
            lines = (self._data / "postmaster.pid").read_text("utf-8").splitlines()
            pid = int(lines[0])
        except FileNotFoundError:
            return None, False
        except PermissionError as error:
            raise PlatformError(
                f"{self._data} belongs to another user",
                hint="run hai-up as the user who made it, or as root",
            ) from error
        except (ValueError, IndexError):  # it is being written
            return None, False
        if not self._is_ours(pid):
            return None, False
        return pid, len(lines) > 7 and lines[7].strip() == "ready"

    def _is_ours(self, pid: int) -> bool:
        """Is this process the server in our folder? Pids are used again after a reboot."""
        process = Path("/proc") / str(pid)
        try:
            state = (process / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()[0]
            if state in ("Z", "X"):
                return False
            where = str((process / "cwd").readlink())
        except PermissionError:  # root without the right to look into others' processes
            shown = account_for(self._data).run(
                ["readlink", process / "cwd"], cwd=Path("/"), timeout=10
            )
            where = shown.stdout.strip()
        except (OSError, IndexError):
            return False
        return where == os.path.realpath(self._data)

    def _launch(self, account: UnixAccount, binaries: Binaries) -> None:
        # The programs get paths relative to `home`: pg_ctl passes them through a shell.
        seconds = str(max(1, int(self._start_timeout)))
        argv: list[str | Path] = [binaries.pg_ctl, "-D", "data", "-l", "log/server.log"]
        argv += ["-s", "-w", "-t", seconds, "-o", "-c config_file=settings.conf", "start"]
        deadline = time.monotonic() + _ORPHAN_SECONDS
        self._clear_stale_pid()
        while True:
            begins_at = self._log_size()
            try:
                shown = account.run(argv, cwd=self.home, timeout=self._start_timeout + 30)
            except subprocess.TimeoutExpired as error:
                raise self._trouble("PostgreSQL did not start in time") from error
            if shown.returncode == 0:
                return
            news = self._log_from(begins_at)
            # the children of a server that was killed need a moment to notice
            if _STILL_IN_USE not in news or time.monotonic() > deadline:
                raise self._trouble("PostgreSQL did not start", f"{news}\n{shown.stderr}")
            time.sleep(_POLL_SECONDS)

    def _clear_stale_pid(self) -> None:
        """PostgreSQL refuses to start while the pid of a dead server is some other process's (or
        one that nobody buries), or its record is unreadable after a crash. It still sees a live
        server by other means."""
        for record in (self._data / "postmaster.pid", self._socket_dir() / f"{SOCKET}.lock"):
            with contextlib.suppress(FileNotFoundError):
                pid = record.read_text("utf-8", "replace").partition("\n")[0]
                if not pid.isdigit() or Path("/proc", pid).exists():
                    record.unlink()

    def _await(self, condition: Callable[[], bool], seconds: float, what: str) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                raise self._trouble(f"PostgreSQL did not {what} in {seconds:.0f} s")
            time.sleep(_POLL_SECONDS)

    def _trouble(self, what: str, output: str = "") -> PlatformError:
        """The error to raise; `output` is what the programs said this time."""
        output = output.strip()
        hint = f"see {self._log}"
        if "No space left on device" in output:
            what, hint = f"{what}: the disk is full", f"free some space for {self.home}"
        elif "database files are incompatible" in output:
            what += ": the data folder was made by another version"
        elif output:
            said = re.findall(r"(?:FATAL|PANIC|error): +(.*)", output) or output.splitlines()
            what += f": {said[-1].strip()}"
        return PlatformError(what, hint=hint, details={"log": self.log_tail(), "output": output})

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One process at a time starts or stops the server."""
        self._make_home()
        try:
            handle = open_lock(self.home / "lock")
        except OSError as error:
            raise PlatformError(
                f"the data folder {self.home} cannot be used: {error.strerror}",
                hint="run hai-up as the user who made it, or choose another one with --data-dir",
            ) from error
        try:
            deadline = time.monotonic() + self._start_timeout + _INIT_SECONDS
            while not try_lock(handle):
                if time.monotonic() > deadline:
                    raise PlatformError(
                        "another process has been starting or stopping PostgreSQL for minutes",
                        hint=f"end it: fuser {self.home / 'lock'} shows which one it is",
                    )
                time.sleep(_POLL_SECONDS)
            yield
        finally:
            os.close(handle)

    def _make_home(self) -> None:
        try:
            self.home.parent.mkdir(parents=True, exist_ok=True)
            self.home.mkdir(mode=0o700, exist_ok=True)
            if os.geteuid() == 0 and stat.S_IMODE(self.home.stat().st_mode) != 0o711:
                self.home.chmod(0o711)
        except OSError as error:
            raise PlatformError(
                f"the data folder {self.home} cannot be made: {error.strerror}",
                hint="choose another one with --data-dir",
            ) from error

    def _binaries(self, account: UnixAccount) -> Binaries:
        account.require_passage(self.home)
        major = None
        if self.is_initialised():
            try:
                major = int((self._data / "PG_VERSION").read_text("utf-8"))
            except (OSError, ValueError) as error:
                raise PlatformError(
                    f"the database in {self._data} is damaged: it has no PG_VERSION",
                    hint=f"restore a backup, or move {self.home} away to begin with an empty one",
                ) from error
        return self._readable(find_binaries(self._bin_dir, major=major), account)

    def _readable(self, binaries: Binaries, account: UnixAccount) -> Binaries:
        """The programs, or a copy of them in our folder if the account cannot run them."""
        try:
            shown = account.run([binaries.postgres, "--version"], cwd=Path("/"), timeout=20)
            if shown.returncode == 0:
                return binaries
        except PermissionError:
            pass
        install = binaries.directory.parent
        if not (install / "share").is_dir():
            raise PlatformError(
                f"user {account.name} cannot run PostgreSQL in {binaries.directory}",
                hint="name a readable installation's bin directory in HAI_PG_BIN",
            )
        copy = self.home / "dist" / binaries.version
        if not copy.is_dir():
            copy_for_everybody(install, copy)
        programs = copy / install.parent.name / install.name / binaries.directory.name
        return Binaries(programs, binaries.version)

    def _prepare(self, account: UnixAccount, binaries: Binaries) -> None:
        """Folders, settings, and a database if there is none."""
        for directory in (self._data, self._log.parent, self.home / "socket"):
            account.own(directory)
        self._choose_socket_dir(account)
        self._write_settings()
        with contextlib.suppress(FileNotFoundError):
            if self._log.lstat().st_size > _LOG_BYTES:
                self._log.rename(self._log.with_suffix(".log.1"))
        if self.is_initialised():
            return
        if any(self._data.iterdir()):
            self._move_aside()
            account.own(self._data)
        self._initialise(account, binaries)

    def _move_aside(self) -> None:
        """What an interrupted set-up left holds nothing of value, but is not ours to delete."""
        number = 1
        while (broken := self.home.with_name(f"postgres.broken-{number}")).exists():
            number += 1
        self._data.rename(broken)

    def _initialise(self, account: UnixAccount, binaries: Binaries) -> None:
        initdb: list[str | Path] = [binaries.initdb, "-D", "data", "-U", _NAME]
        initdb += ["--encoding=UTF8", "--no-locale", "--no-instructions"]
        initdb += ["--auth-local=trust", "--auth-host=reject"]
        initdb += [] if self._durable else ["--no-sync"]
        create: list[str | Path] = [binaries.postgres, "--single", "-D", "data"]
        create += ["-c", "config_file=settings.conf", "postgres"]
        sql = f"CREATE DATABASE {_NAME}\n"
        try:
            made = account.run(initdb, cwd=self.home, timeout=_INIT_SECONDS)
            if made.returncode != 0:
                raise self._trouble("the database could not be set up", made.stderr)
            made = account.run(create, cwd=self.home, timeout=_INIT_SECONDS, stdin=sql)
        except subprocess.TimeoutExpired as error:
            raise self._trouble("the database could not be set up in time") from error
        if made.returncode != 0 or re.search(r"(ERROR|FATAL|PANIC):", made.stderr):
            raise self._trouble("the database could not be created", made.stderr)
        write(self._marker, json.dumps({"version": binaries.version}))

    def _write_settings(self) -> None:
        settings = {**SETTINGS, "unix_socket_directories": f"'{self._socket_dir()}'"}
        if not self._durable:
            settings |= FORGETFUL
        lines = [f"{key} = {value}\n" for key, value in settings.items()]
        write(self.home / "settings.conf", "".join(lines))

    def _socket_dir(self) -> Path:
        """Recorded elsewhere, or in our folder."""
        try:
            return Path((self.home / "socket_dir").read_text("utf-8"))
        except OSError:
            return self.home / "socket"

    def _choose_socket_dir(self, account: UnixAccount) -> None:
        record = self.home / "socket_dir"
        if fits(self.home / "socket"):
            record.unlink(missing_ok=True)
            return
        if record.exists() and is_private(self._socket_dir(), account.uid):
            return
        places = (tempfile.gettempdir(), "/tmp")  # noqa: S108 (a private folder is made in it)
        short = [place for place in places if fits(Path(place) / "hai-pg-12345678")]
        if not short:
            raise PlatformError(
                f"the path of the data folder {self.home} is too long for a socket",
                hint="choose a shorter one with --data-dir",
            )
        directory = Path(tempfile.mkdtemp(prefix="hai-pg-", dir=short[0]))
        if account.drops:
            os.chown(directory, account.uid, account.gid)
        write(record, str(directory))
