"""post_system_init: what an admin (or the user) wants done in a worker before its program starts.

Scripts of the folder run one after the other, in the order of their names. As root run only those
that an admin answers for: by the row that mounted them, and by who may write the file.
"""

from __future__ import annotations

import os
import select
import signal
import stat
import time

from hai.agent.ending import shell_code
from hai.agent.environment import DEFAULT_PATH

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from hai.agent.environment import ProgramAccount
    from hai.agent.logs import LogWriter
    from hai.agent.spec import WorkerSpec

SECONDS = 120.0  # for each
_MOST = 100
_PASS_SECONDS = 0.1
_OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH


class Scripts:
    """`is_unwanted` says that the worker is to stop."""

    def __init__(
        self,
        spec: WorkerSpec,
        account: ProgramAccount,
        log: LogWriter,
        is_unwanted: Callable[[], bool],
    ) -> None:
        self._spec = spec
        self._account = account
        self._log = log
        self._is_unwanted = is_unwanted

    def run(self) -> bool:
        """False when it was stopped. A script that fails is told in the log and no more."""
        folder = self._spec.scripts_folder
        if not folder:
            return True
        try:
            names = sorted(name for name in os.listdir(folder) if not name.startswith("."))
        except FileNotFoundError:
            return True
        except OSError as error:
            self._log.say(f"post_system_init: {folder}: {error.strerror}")
            return True
        for name in names[:_MOST]:
            path = os.path.join(folder, name)
            if os.path.isfile(path) and not self._run_one(name, path):
                return False
        return True

    def _run_one(self, name: str, path: str) -> bool:
        as_root = self._may_be_root(path)
        output, output_end = os.pipe()
        try:
            pid = self._spawn(path, output_end, as_root=as_root)
        except OSError as error:
            os.close(output)
            self._log.say(f"post_system_init: {name}: {error.strerror}")
            return True
        finally:
            os.close(output_end)
        os.set_blocking(output, False)
        status, is_wanted = self._wait(pid, output)
        os.close(output)
        if not is_wanted:
            self._log.say(f"post_system_init: {name}: stopped with the task")
        elif status is None:
            self._log.say(f"post_system_init: {name}: killed after {SECONDS:g} s")
        elif status:
            self._log.say(f"post_system_init: {name}: exit code {shell_code(status)}")
        return is_wanted

    def _may_be_root(self, path: str) -> bool:
        """Root's own file that nobody else may write, at a place that an admin answers for."""
        if not self._account.drops:
            return False  # there is only one account to run as
        real = os.path.realpath(path)
        is_admin_s = any(_is_in(path, root) for root in self._spec.root_scripts)
        found = os.stat(real)
        return is_admin_s and found.st_uid == 0 and not found.st_mode & _OTHERS_MAY_WRITE

    def _spawn(self, path: str, output_end: int, *, as_root: bool) -> int:
        environment = self._environment()
        argv = [path] if os.access(path, os.X_OK) else ["/bin/sh", path]
        pid = os.fork()
        if pid:
            return pid
        try:
            os.setsid()
            nothing = os.open(os.devnull, os.O_RDONLY)
            for fd, target in ((nothing, 0), (output_end, 1), (output_end, 2)):
                os.dup2(fd, target)
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
                signal.signal(number, signal.SIG_DFL)
            if not as_root:
                self._account.become()
            os.chdir("/")
            os.execve(argv[0], argv, environment)  # noqa: S606 - what an admin or the user put there
        except OSError as error:
            os.write(2, f"{path}: {error.strerror}\n".encode("utf-8", "replace"))
        finally:
            os._exit(126)

    def _environment(self) -> dict[str, str]:
        """Who the worker is for; nothing of what the user asked for, which would tell root's shell
        what to do."""
        spec = self._spec
        return {
            "PATH": DEFAULT_PATH,
            "HOME": "/",
            "LANG": "C.UTF-8",
            "HAI_CONTROL_DIR": spec.control_dir,
            "HAI_TASK_ID": str(spec.task_id),
            "HAI_RANK": str(spec.rank),
            "HAI_USER": spec.user,
            "HAI_NODE_NAME": spec.node_name,
            "MARSV2_UID": str(self._account.uid),
            "MARSV2_USER": spec.user,
            "MARSV2_TASK_ID": str(spec.task_id),
            "MARSV2_RANK": str(spec.rank),
            "MARSV2_NB_GROUP": spec.group,
            "NODE_NAME": spec.node_name,
        }

    def _wait(self, pid: int, output: int) -> tuple[int | None, bool]:
        """Its wait status, None if it took too long; and whether the worker is still wanted. What
        it left in the background runs on and is not waited for."""
        deadline = time.monotonic() + SECONDS
        while True:
            select.select([output], [], [], _PASS_SECONDS)
            is_open = self._pass_on(output)
            done, status = os.waitpid(pid, os.WNOHANG)
            if done:
                self._pass_on(output)
                return status, True
            is_wanted = not self._is_unwanted()
            if not is_wanted or time.monotonic() > deadline:
                os.killpg(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
                return None, is_wanted
            if not is_open:
                time.sleep(_PASS_SECONDS)  # it has closed its output and runs on

    def _pass_on(self, output: int) -> bool:
        """What it said so far goes to the log; False once nothing can come any more."""
        try:
            while True:
                chunk = os.read(output, 1 << 16)
                if not chunk:
                    return False
                self._log.feed(chunk)
        except BlockingIOError:
            return True


def _is_in(path: str, folder: str) -> bool:
    folder = folder.rstrip("/")
    return bool(folder) and (path == folder or path.startswith(folder + "/"))
