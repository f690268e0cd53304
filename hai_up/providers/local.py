"""One machine: PostgreSQL, one hai-server, and a profile for the user. `run` is all there is.

Every step can be repeated, so an interrupted run is mended by the next one; a run that fails stops
what it started.
"""

import os
import re
import secrets
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from hai import __version__
from hai.errors import Conflict, HaiError, InvalidInput, PlatformError
from hai_up.api import PATIENT_SECONDS, Api
from hai_up.bootstrap import bootstrap, said_why, token_works
from hai_up.checks import memory_bytes, preflight, require_settings
from hai_up.config import GivenOptions, Options, defaults, os_user, remembered, resolve
from hai_up.database import PlatformDatabase, database_of
from hai_up.files import last_lines, os_error, read_text, write_private
from hai_up.layout import Layout, default_data_dir
from hai_up.plan import (
    Facts,
    LocalPlan,
    changed_nodes,
    differences,
    fixed_differences,
    flag_of,
    is_loopback,
    plan_local,
    url_of,
    with_kept_keys,
)
from hai_up.ports import free_port
from hai_up.process import (
    Process,
    find_server,
    locked,
    start_server,
    stop_process,
    wait_until,
)
from hai_up.profile import home_folder, profile_path, write_profile
from hai_up.render import render
from hai_up.seed import seed_users
from hai_up.state import State, load_state, newer_folder, preparation, save_state
from hai_up.status import other_build
from hai_up.studio import ensure_studio, stop_studio

READY_SECONDS = 60.0
RECOVERY_SECONDS = 10.0
Say = Callable[[str], None]


def uid_of(user: str) -> int:
    """Root's server runs every task as a Unix user. InvalidInput if there is no such user."""
    import pwd

    try:
        return pwd.getpwnam(user).pw_uid
    except KeyError:
        raise InvalidInput(
            f"there is no Unix user {user!r}, as whom the tasks would run",
            hint=f"useradd --create-home {user}, or name another one: --user NAME",
        ) from None


def layout_of(given: GivenOptions) -> Layout:
    """The data folder that was asked for, or the default one, as an absolute path."""
    folder = given.data_dir
    if folder is None:
        is_root = os.getuid() == 0
        home = Path("/root") if is_root else home_folder()
        folder = default_data_dir(is_root=is_root, environ=dict(os.environ), home=home)
    root = folder.expanduser().absolute()
    if root.exists() and not root.is_dir():
        raise InvalidInput(f"{root} is no folder", hint="choose another one: --data-dir FOLDER")
    return Layout(root)


def options_of(given: GivenOptions, layout: Layout, state: State | None) -> Options:
    """What was said, then the last run's, then the defaults."""
    last = [remembered(state)] if state else []
    if given.port == 0 and not state and given.studio_port is None:
        given = replace(given, studio_port=0)  # who wants any port for one wants it for both
    options = resolve(replace(given, data_dir=layout.root), *last, defaults(layout.root, os_user()))
    if os.getuid() == 0:
        _uid_of_first(options)
    return options


def _uid_of_first(options: Options) -> int:
    """As USER_INFO says, else that of the account."""
    given = {user.name: user.uid for user in options.users}
    return given.get(options.user) or uid_of(options.user)


def facts_of(state: State | None, options: Options) -> Facts:
    prepared = state.prepared if state else {}
    wanted = preparation(options)
    return Facts(
        cpus=os.cpu_count() or 1,
        memory_bytes=memory_bytes("MemTotal"),
        user_uid=_uid_of_first(options) if os.getuid() == 0 else None,
        has_token=bool(state and state.token),
        has_quotas=prepared == wanted,
    )


def plan_of(options: Options, layout: Layout, state: State | None, database_url: str) -> LocalPlan:
    """The plan with what an admin added to override.toml by hand."""
    plan = plan_local(options, facts_of(state, options), database_url)
    return replace(plan, settings=with_kept_keys(plan.settings, old_settings(layout)))


def own_settings(given: GivenOptions, layout: Layout, state: State) -> Mapping[str, Any]:
    """Those that hai-up writes into override.toml, without what an admin added."""
    options = options_of(given, layout, state)
    return plan_local(options, facts_of(state, options), state.database_url).settings


def old_settings(layout: Layout) -> dict[str, object]:
    import tomllib

    try:
        return tomllib.loads(read_text(layout.config) or "")
    except tomllib.TOMLDecodeError as error:
        raise PlatformError(
            f"{layout.config} is no valid TOML: {error}",
            hint="correct it, or remove it: hai-up run writes a new one",
        ) from error


def run(given: GivenOptions, say: Say) -> None:
    """Start the platform, or say that it runs. Any error leaves nothing half running."""
    layout = layout_of(given)
    state = readable_state(layout)
    options = options_of(given, layout, state)
    if state and _is_up(layout, state):
        with locked(layout, say):
            _keep(layout, readable_state(layout) or state, given, say)
        return
    for warning in preflight(options, with_port=find_server(layout) is None):
        say(f"warning: {warning.text} ({warning.fix})")
    _make_folder(layout)
    with locked(layout, say):
        state = readable_state(layout)  # another hai-up may just have finished
        if state and _is_up(layout, state):
            _keep(layout, state, given, say)
            return
        options = options_of(given, layout, state)
        options = options if options.port else replace(options, port=free_port(options.host))
        _Start(layout, options, state, say).go()


def readable_state(layout: Layout) -> State | None:
    """None for a new folder; PlatformError for a damaged one or one of a newer HAI."""
    state = load_state(layout)
    if state and _version(state.version) > _version(__version__):
        raise newer_folder(layout, state.version)
    return state


def _version(text: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", text)[:3]]


def _is_up(layout: Layout, state: State) -> bool:
    if find_server(layout) is None:
        return False
    with Api(url_of(state.host, state.port)) as api:
        return api.is_ready()


def _keep(layout: Layout, state: State, given: GivenOptions, say: Say) -> None:
    """A platform that runs: changed to what is asked for, or a Conflict that says why not."""
    options = options_of(given, layout, state)
    process = find_server(layout)
    pid = process.pid if process else "?"
    fixed = fixed_differences(options, asdict(state))
    if fixed:
        raise Conflict(
            f"HAI runs already (pid {pid}), and takes a new start for this: {'; '.join(fixed)}",
            hint="hai-up down, then hai-up run again with these options",
        )
    say(f"HAI {state.version} is running at {url_of(state.host, state.port)} (pid {pid})")
    if state.version != __version__:
        say(f"the server is {state.version}, {other_build(__version__)}")
    state = _with_nodes(layout, state, options, say)
    state = seed_users(layout, options, state, say)
    if options.studio_port not in (0, state.studio_port) and stop_studio(layout):
        say(f"Studio leaves port {state.studio_port}")
    _let_go_on(state, say)
    _write_profile(layout, state, say)
    _studio(layout, options, state, say)


def _with_nodes(layout: Layout, state: State, options: Options, say: Say) -> State:
    """The server goes by the nodes in the database. Those that a task holds cannot be removed."""
    changed = changed_nodes(options, asdict(state))
    if not changed:
        return state
    plan = plan_of(options, layout, state, state.database_url)
    bootstrap(layout, {**plan.bootstrap, "new_token": False})
    state = replace(
        state,
        nodes=options.nodes,
        gpus_per_node=options.gpus_per_node,
        hollow_nodes=options.hollow_nodes,
        prepared=preparation(options),
    )
    save_state(layout, state)
    for name, was, wanted in changed:
        say(f"  {flag_of(name)} was {was} and is {wanted} now")
    return state


def _let_go_on(state: State, say: Say) -> None:
    """A hai-up down that was interrupted may have left it paused."""
    url = url_of(state.host, state.port)
    with Api(url, state.token, timeout_seconds=PATIENT_SECONDS) as api:
        try:
            if api.go_on():
                say("it had been about to go down; it starts tasks again")
        except HaiError as error:
            say(f"warning: whether it starts tasks is not known: {error.message}")


def _studio(layout: Layout, options: Options, state: State, say: Say) -> None:
    """Studio as the options say, its port remembered."""
    port = ensure_studio(layout, options, url_of(state.host, state.port), say)
    known = replace(state, studio=options.studio, studio_port=port or state.studio_port)
    if known != state:
        save_state(layout, known)


def _make_folder(layout: Layout) -> None:
    """Root's folder can be passed through: users' programs reach what they own inside it."""
    mode = 0o711 if os.getuid() == 0 else 0o700
    missing = [path for path in (layout.root, *layout.root.parents) if not path.exists()]
    try:
        for path in (*reversed(missing), layout.root):
            path.mkdir(exist_ok=True, mode=mode)
            path.chmod(mode)  # whatever the umask is
    except OSError as error:
        raise os_error(f"cannot make {layout.root}", error) from error


class _Start:
    """One start, step by step."""

    def __init__(self, layout: Layout, options: Options, state: State | None, say: Say) -> None:
        self._layout = layout
        self._options = options
        self._old = state
        self._say = say
        self._url = url_of(options.host, options.port)

    def go(self) -> None:
        layout, options = self._layout, self._options
        if not is_loopback(options.host):
            self._say(f"warning: {options.host} is open to the network, and HTTP is not encrypted")
        state = self._remember()
        if read_text(layout.secret) is None:
            write_private(layout.secret, secrets.token_hex(32) + "\n")
        with ExitStack() as undo:
            database = database_of(layout, options.database_url)
            plan = plan_of(options, layout, state, self._start_database(database, undo))
            write_private(layout.config, render("override.toml.j2", sections=plan.settings))
            require_settings(options)
            state = self._bootstrap(plan, state)
            state = seed_users(layout, options, state, self._say)
            process = self._start_server(undo)
            undo.pop_all()
        state = self._working_token(plan, state)
        backup = _write_profile(layout, state, self._say)
        state = replace(state, replaced_profile=backup or state.replaced_profile)
        save_state(layout, state)
        self._say(
            f"HAI {__version__} runs at {self._url} (pid {process.pid}), data in {layout.root}"
        )
        _studio(layout, options, state, self._say)

    def _remember(self) -> State:
        """In a new folder it is written first: it marks the folder as ours."""
        options, old = self._options, self._old
        state = State(
            version=__version__,
            host=options.host,
            port=options.port,
            nodes=options.nodes,
            gpus_per_node=options.gpus_per_node,
            hollow_nodes=options.hollow_nodes,
            group=options.group,
            user=options.user,
            database_url=options.database_url,
            token=old.token if old and old.user == options.user else "",
            prepared=old.prepared if old else {},
            replaced_profile=old.replaced_profile if old else "",
            seed=old.seed if old else "",
            studio=options.studio,
            studio_port=options.studio_port,
            python=sys.executable,
            jupyter_group=options.jupyter_group,
            jupyter_nodes=options.jupyter_nodes,
        )
        if old and old.database_url != options.database_url:
            state = replace(state, token="", prepared={}, seed="")
        if old is None:  # later, options are remembered only once they are in force
            save_state(self._layout, state)
        return state

    def _start_database(self, database: PlatformDatabase, undo: ExitStack) -> str:
        if database.kind == "embedded" and not database.is_running():
            self._say(f"starting PostgreSQL in {self._layout.postgres}")
            undo.callback(database.stop)
        return database.start()

    def _bootstrap(self, plan: LocalPlan, state: State) -> State:
        """Bring the database up to date; keep the first user's token if one was made."""
        order = {**plan.bootstrap, "new_token": not state.token}
        answer = bootstrap(self._layout, order)
        token = answer.get("token")
        state = replace(state, token=token or state.token, prepared=preparation(state))
        save_state(self._layout, state)
        return state

    def _start_server(self, undo: ExitStack) -> Process:
        old = find_server(self._layout)
        if old and self._recovers():
            return old
        if old:
            self._say(f"the server (pid {old.pid}) runs and is not ready: it is replaced")
            stop_process(old, seconds=15)
        self._say(f"starting hai-server at {self._url}")
        process = start_server(self._layout)
        undo.callback(self._layout.pid.unlink, missing_ok=True)
        undo.callback(stop_process, process, seconds=15)
        with Api(self._url, timeout_seconds=RECOVERY_SECONDS) as api:
            has_begun = wait_until(lambda: not process.is_alive() or api.is_ready(), READY_SECONDS)
            if not (has_begun and process.is_alive()):
                raise self._start_failed(process)
        return process

    def _recovers(self) -> bool:
        """Whether the server that runs gets ready now that its database is there."""
        same = self._old and not differences(self._options, asdict(self._old))
        with Api(self._url, timeout_seconds=RECOVERY_SECONDS) as api:
            return bool(same) and wait_until(api.is_ready, RECOVERY_SECONDS)

    def _start_failed(self, process: Process) -> PlatformError:
        lines = last_lines(self._layout.log, 8)
        for line in lines:
            self._say(f"  {line[:300]}")
        what = "is not ready after 60 s" if process.is_alive() else "ended at once"
        why, hint = said_why(lines)
        return PlatformError(
            f"hai-server {what}: {why or 'its last lines are above'}",
            hint=hint or f"the whole log is {self._layout.log}",
        )

    def _working_token(self, plan: LocalPlan, state: State) -> State:
        """The token that we know may have been revoked or have expired."""
        if token_works(self._url, state.token):
            return state
        return self._bootstrap(plan, replace(state, token=""))


def _write_profile(layout: Layout, state: State, say: Say) -> str:
    """The platform runs, with or without it. The backup's path, or ""."""
    url = url_of(state.host, state.port)
    values = {"url": url, "token": state.token, "user": state.user}
    try:
        return write_profile(profile_path(), values, lambda token: token_works(url, token), say)
    except PlatformError as error:
        say(f"warning: hai-cli has no profile: {error.message}")
        say(f"hint: set HAI_CONF to a file that can be written; the token is in {layout.state}")
        return ""
