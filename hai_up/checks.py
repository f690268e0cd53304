"""What must be right on this machine before anything is changed. Each check has its own mend."""

import errno
import os
import shutil
import socket
import stat
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hai.errors import HaiError, InvalidInput, PlatformError
from hai_up.api import Api
from hai_up.config import Options, masked
from hai_up.layout import MAX_DATA_DIR_BYTES, Layout
from hai_up.plan import url_of
from hai_up.process import find_server, has_stale_pid
from hai_up.state import load_state

OK, WARN, FAIL = "ok", "warn", "fail"
LEAST_DISK_BYTES = 200 * 10**6
GOOD_DISK_BYTES = 2 * 10**9
LEAST_MEMORY_BYTES = 256 * 10**6
GOOD_MEMORY_BYTES = 10**9
_MOST_NAMES = 5  # of users, in a line


@dataclass(frozen=True, slots=True)
class Check:
    """`status` is "ok", "warn" or "fail"; `text` says why, `fix` what to do about the latter two.
    `group`: "machine", "docker", or of a cluster "cluster", "nodes", "storage" or "network"."""

    name: str
    status: str
    text: str
    fix: str = ""
    group: str = "machine"

    @property
    def id(self) -> str:
        """Such as "storage.share"."""
        return f"{self.group}.{self.name.replace(' ', '-')}"


CheckFunction = Callable[[Options], Check]


IDS = tuple(
    f"machine.{name}"
    for name in (
        *("python", "clock", "folder", "settings", "disk", "memory"),
        *("logs", "users", "database", "pid-file", "port"),
    )
)


def all_checks(options: Options, wanted: Collection[str] = IDS) -> Iterator[Check]:
    """Every check of `wanted` (ids), one by one, as doctor shows them."""
    functions: tuple[CheckFunction, ...] = (
        check_python,
        check_clock,
        check_folder,
        check_settings,
        check_disk,
        check_memory,
        check_logs,
        check_users,
        check_database,
        check_pid_file,
        check_port,
    )
    for name, check in zip(IDS, functions, strict=True):
        if name in wanted:
            yield check(options)


def chosen(only: Collection[str], known: Collection[str]) -> list[str]:
    """Ids of `known` that `only` names, whole, by group or by the name alone; none: all of them.
    InvalidInput for one that there is not."""
    found = []
    for word in only:
        hits = [one for one in known if word in (one, *one.split("."))]
        if not hits:
            raise InvalidInput(f"there is no check {word!r}", hint=f"one of {', '.join(known)}")
        found += hits
    return [one for one in known if one in found] if only else list(known)


def preflight(options: Options, *, with_port: bool) -> list[Check]:
    """The warnings. PlatformError at the first thing that makes a start impossible."""
    functions: list[CheckFunction] = [check_python, check_folder, check_disk, check_memory]
    if with_port:
        functions += [check_port]
    warnings = []
    for check in (*functions, check_database):
        result = check(options)
        if result.status == FAIL:
            raise PlatformError(result.text, hint=result.fix)
        if result.status == WARN:
            warnings.append(result)
    return warnings


def check_python(_: Options) -> Check:
    version = ".".join(map(str, sys.version_info[:3]))
    missing = [name for name in ("fastapi", "psycopg", "jinja2") if not _has_module(name)]
    if missing:
        fix = "pip install 'hai-platform[server,embedded]'"
        return Check("python", FAIL, "the server's libraries are not installed here", fix)
    return Check("python", OK, f"Python {version} at {sys.executable}")


def check_clock(_: Options) -> Check:
    """A clock that is behind the installed files is wrong; logs and tokens depend on it."""
    ahead_seconds = Path(__file__).stat().st_mtime - time.time()  # noqa: TID251 - the real clock
    if ahead_seconds > 60:
        text = f"the clock is at least {ahead_seconds / 60:.0f} minutes behind"
        return Check("clock", WARN, text, "set it, for example with: timedatectl set-ntp true")
    return Check("clock", OK, "the clock is plausible")


def check_folder(options: Options) -> Check:
    root = options.data_dir
    size = len(os.fsencode(root))
    if size > MAX_DATA_DIR_BYTES:
        text = f"the data folder's path has {size} bytes, {MAX_DATA_DIR_BYTES} at most: {root}"
        return Check("folder", FAIL, text, "choose a shorter one: --data-dir /srv/hai")
    try:
        str(root).encode()
    except UnicodeEncodeError:
        text = f"the data folder's path is no text in this locale: {os.fsencode(root)!r}"
        return Check("folder", FAIL, text, "choose another one, or set LC_ALL=C.UTF-8")
    nearest = _nearest(root)
    try:
        problem = _folder_problem(root, nearest)
    except OSError as error:
        problem = f"cannot look into {root}: {error.strerror}"
    if problem:
        return Check("folder", FAIL, problem, "choose another one: --data-dir FOLDER")
    insecure = _insecure(root)
    if insecure:
        text = f"others may change {insecure}, and so replace the data folder below it"
        return Check("folder", WARN, text, "choose another place: --data-dir FOLDER")
    return Check("folder", OK, f"data folder {root}")


def _folder_problem(root: Path, nearest: Path) -> str:
    if not nearest.is_dir():
        return f"{nearest} is not a folder"
    unwritable = _write_problem(nearest)
    if unwritable:
        return f"{nearest} is not writable for you: {unwritable}"
    if root.exists() and root.stat().st_uid != os.geteuid():
        return f"{root} belongs to another user"
    names = {path.name for path in root.iterdir()} if root.exists() else set()
    # The lock comes first: another hai-up may just be making this folder a platform.
    if names and not names & {Layout(root).lock.name, Layout(root).state.name}:
        return f"{root} holds other files and is not a data folder of HAI"
    return ""


def _write_problem(folder: Path) -> str:
    """Why no file can be made there: the rights alone do not say so of a read-only disk."""
    try:
        with tempfile.TemporaryFile(prefix=".hai-check-", dir=folder) as file:
            file.write(b"hai")
    except OSError as error:
        return error.strerror or str(error)
    return ""


def _insecure(root: Path) -> Path | None:
    """The first folder above `root` in which somebody else may rename what is ours."""
    for path in root.resolve().parents:
        if path.is_dir():
            found = path.stat()
            is_open = found.st_mode & stat.S_IWOTH and not found.st_mode & stat.S_ISVTX
            if is_open or found.st_uid not in (0, os.geteuid()):
                return path
    return None


def check_settings(options: Options) -> Check:
    """Whether a server could start with the override.toml that is there."""
    config = Layout(options.data_dir).config
    if not config.exists():
        return Check("settings", OK, "no override.toml yet: hai-up run writes it")
    from hai.settings import load_settings

    try:
        notes = load_settings(config).notes
    except InvalidInput as error:
        return Check("settings", FAIL, error.message, error.hint)
    if notes:
        return Check("settings", WARN, notes[0], f"take it out of {config}")
    return Check("settings", OK, f"{config} is understood")


def require_settings(options: Options) -> None:
    """PlatformError before a server that could not start is started."""
    found = check_settings(options)
    if found.status == FAIL:
        raise PlatformError(found.text, hint=found.fix)


def check_disk(options: Options) -> Check:
    free = shutil.disk_usage(_nearest(options.data_dir)).free
    text = f"{free / 1e9:.1f} GB free for {options.data_dir}"
    fix = "free some space, or choose another disk with --data-dir"
    if free < LEAST_DISK_BYTES:
        return Check("disk", FAIL, f"disk full: {free // 10**6} MB free, 200 MB needed", fix)
    return Check("disk", WARN if free < GOOD_DISK_BYTES else OK, text, fix)


def check_logs(options: Options) -> Check:
    """Whether the running platform still writes the logs of its tasks."""
    return _ask("logs", options, lambda api: logs_of(api.platform())) or logs_of(None)


def logs_of(told: Mapping[str, Any] | None) -> Check:
    """`told`: what the running platform says of itself; None: none runs."""
    if told is None:
        return Check("logs", OK, "no platform runs here: no task logs are written")
    disk = told.get("log_disk") or {}
    if disk.get("why"):
        fix = "free some space on that disk, or keep less: [logs] user_bytes, keep_days"
        return Check("logs", WARN, str(disk["why"]), fix)
    free, need = int(disk.get("free", 0)), int(disk.get("need", 0))
    text = f"{free / 1e9:.1f} GB free for task logs; {need / 1e9:.2f} GB stay free for the platform"
    return Check("logs", OK, text)


def check_users(options: Options) -> Check:
    """Whether everybody has a Unix user here, where the server refuses those who have none."""
    if os.geteuid() != 0:
        return Check("users", OK, "the server is not root: it needs no Unix users")
    asked = _ask("users", options, lambda api: users_of(api.users()))
    return asked or Check("users", OK, "no platform runs here: nobody uses it")


def users_of(users: Sequence[Mapping[str, Any]]) -> Check:
    """`users`: those of a server that is root, as it lists them."""
    lost = [str(one["name"]) for one in users if one["active"] and one.get("uid") is None]
    if not lost:
        who = "the only user" if len(users) == 1 else f"each of the {len(users)} users"
        return Check("users", OK, f"{who} has a Unix user")
    more = f" and {len(lost) - _MOST_NAMES} more" if len(lost) > _MOST_NAMES else ""
    text = f"no Unix user: {', '.join(lost[:_MOST_NAMES])}{more}; the server refuses their tasks"
    return Check("users", WARN, text, f"hai-cli users set {lost[0]} --uid UID")


def _ask(name: str, options: Options, question: Callable[[Api], Check]) -> Check | None:
    """None where no platform runs."""
    layout = Layout(options.data_dir)
    state = load_state(layout) if find_server(layout) is not None else None
    if state is None:
        return None
    try:
        with Api(url_of(state.host, state.port), state.token) as api:
            return question(api)
    except HaiError as error:
        return Check(name, WARN, error.message, "hai-up status says more")


def check_memory(_: Options) -> Check:
    free = memory_bytes("MemAvailable")
    text = f"{free / 1e9:.1f} GB of memory available"
    fix = "end other programs; the server and its database use about 300 MB"
    if free < LEAST_MEMORY_BYTES:
        return Check("memory", FAIL, text, fix)
    return Check("memory", WARN if free < GOOD_MEMORY_BYTES else OK, text, fix)


def memory_bytes(field: str) -> int:
    """A field of /proc/meminfo ("MemTotal", "MemAvailable") in bytes."""
    for line in Path("/proc/meminfo").read_text().splitlines():
        name, _, rest = line.partition(":")
        if name == field:
            return int(rest.split()[0]) * 1024
    return 0


def check_pid_file(options: Options) -> Check:
    layout = Layout(options.data_dir)
    if _is_readable(layout.pid) and has_stale_pid(layout):
        text = f"{layout.pid} names a server that is gone"
        return Check("pid file", WARN, text, "hai-up run starts a new server and mends it")
    return Check("pid file", OK, "no stale pid file")


def _is_readable(path: Path) -> bool:
    return os.access(path, os.R_OK)


def check_port(options: Options) -> Check:
    """Free, or taken by this folder's own server."""
    host, port = options.host, options.port
    if port == 0:
        return Check("port", OK, "any free port")
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, socket.SOCK_STREAM) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(1)
    except OSError as error:
        return _port_problem(options, error)
    return Check("port", OK, f"port {port} on {host} is free")


def _port_problem(options: Options, error: OSError) -> Check:
    host, port = options.host, options.port
    if error.errno == errno.EADDRINUSE:
        server = find_server(Layout(options.data_dir))
        if server is not None:
            return Check("port", OK, f"port {port} is in use by this platform (pid {server.pid})")
        text = f"port {port} on {host} is taken{_holder(port)}"
        fix = "end that program, or take any free port: --port 0, or HAI_PORT=0 in -c FILE"
        return Check("port", FAIL, text, fix)
    if error.errno == errno.EACCES:
        return Check("port", FAIL, f"port {port} needs root", "choose one above 1023: --port 7420")
    text = f"cannot listen on {host}: {error.strerror or error}"
    return Check("port", FAIL, text, "--host 127.0.0.1 for this machine only, 0.0.0.0 for all")


def _holder(port: int) -> str:
    """ " by NAME (pid N)" of the program that listens on the port, if it can be seen."""
    import psutil

    try:
        for connection in psutil.net_connections(kind="tcp"):
            is_it = connection.status == psutil.CONN_LISTEN and connection.laddr[1:2] == (port,)
            if is_it and connection.pid:
                name = psutil.Process(connection.pid).name()
                return f" by {name} (pid {connection.pid})"
    except psutil.Error:
        pass
    return ""


def check_database(options: Options) -> Check:
    if options.database_url:
        return _check_url(options.database_url)
    from hai_up.account import account_for
    from hai_up.postgres_binaries import find_binaries

    try:
        found = find_binaries()
        account = account_for(Layout(options.data_dir).postgres / "data")
        account.require_passage(_nearest(options.data_dir))
        if account.drops and account.name == options.user:
            raise PlatformError(
                f"PostgreSQL runs as {account.name}, so that tasks of that user could change "
                "the platform's database",
                hint="name another one: --user NAME",
            )
    except PlatformError as error:
        return Check("database", FAIL, error.message, error.hint)
    return Check("database", OK, f"PostgreSQL {found.version} in {found.directory}")


def _check_url(url: str) -> Check:
    import psycopg

    try:
        with psycopg.connect(url, connect_timeout=5) as connection:
            version = connection.info.server_version // 10000
    except psycopg.Error as error:
        why = " ".join(str(error).split())
        text = f"the database at {masked(url)} refuses: {why}"
        return Check("database", FAIL, text, "correct HAI_DATABASE_URL, or leave it out")
    return Check("database", OK, f"PostgreSQL {version} at {masked(url)}")


def _nearest(path: Path) -> Path:
    """The folder itself or the nearest one above that exists."""
    for candidate in (path, *path.parents):
        if os.path.lexists(candidate):
            return candidate
    return Path("/")


def _has_module(name: str) -> bool:
    from importlib.util import find_spec

    return find_spec(name) is not None
