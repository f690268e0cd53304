"""The environment of the user's program: HAI's names and those of the original platform."""

from __future__ import annotations

import os
import pwd

from hai.agent.segments import segment_name
from hai.agent.spec import POD_IP

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from hai.agent.spec import WorkerSpec

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_KEPT = ("LANG", "TZ", "TMPDIR", "LD_LIBRARY_PATH")


class ProgramAccount:
    """Who the program runs as. `drops` says that the agent must give up its own uid first."""

    def __init__(
        self,
        uid: int | None,
        workspace: str,
        gid: int | None = None,
        groups: list[int] | None = None,
    ) -> None:
        self.drops = uid is not None and os.geteuid() == 0 and uid != 0
        self.uid = uid if uid is not None and self.drops else os.getuid()
        try:
            entry = pwd.getpwuid(self.uid)
            self.name, self.gid, home = entry.pw_name, entry.pw_gid, entry.pw_dir
            self.groups = os.getgrouplist(self.name, self.gid) if self.drops else []
        except KeyError:
            self.name, self.gid, home = "", self.uid, ""
            self.groups = [self.gid]
        if gid is not None:  # the platform knows better than a container's image
            self.gid, self.groups = gid, [gid, *(groups or [])]
        known = (path for path in (home, workspace) if os.path.isdir(path))
        self.home = next(known, "/tmp")  # noqa: S108 - the last resort for HOME

    def become(self) -> None:
        """Give up the agent's rights for the account's, in a child process; OSError if it fails."""
        if self.drops:
            change_account(self.uid, self.gid, self.groups)


def change_account(uid: int, gid: int, groups: list[int]) -> None:
    """For good, of this process, which is root's. OSError."""
    os.setgroups(groups)
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)


def venv_python(py_venv: str) -> str:
    return os.path.join(py_venv, "bin", "python")


def program_environment(
    spec: WorkerSpec, order: dict[str, Any], account: ProgramAccount, sdk_path: str
) -> dict[str, str]:
    """All variables; what the user asked for wins except over the platform's own names."""
    environment = _system(spec, account)
    environment.update(spec.environments)
    environment.update(_hai(spec))
    environment.update(_gang(spec, order))
    original = _original(spec, account)
    environment.update({k: v for k, v in original.items() if k not in spec.environments})
    own_path = spec.environments.get("PYTHONPATH") or spec.workspace
    environment["PYTHONPATH"] = ":".join(path for path in (own_path, sdk_path) if path)
    return environment


def _system(spec: WorkerSpec, account: ProgramAccount) -> dict[str, str]:
    values = {name: value for name, value in os.environ.items() if _is_kept(name, spec)}
    values.setdefault("LANG", "C.UTF-8")
    user = account.name or spec.user
    python_dir = os.path.dirname(spec.python)
    if os.path.isabs(spec.py_venv):
        values["VIRTUAL_ENV"] = spec.py_venv
        python_dir = os.path.join(spec.py_venv, "bin")
    if spec.environment is not None:  # by its own name and place: a task that it submits has it too
        recorded = spec.environment
        values["HF_ENV_NAME"], values["HF_ENV_OWNER"] = recorded.name, recorded.owner
        values["HF_ENV_PATH"] = recorded.place
    path = os.environ.get("PATH") or DEFAULT_PATH
    values["PATH"] = python_dir + ":" + path if python_dir else path
    values.update(HOME=account.home, USER=user, LOGNAME=user, PYTHONUNBUFFERED="1")
    values["CUDA_VISIBLE_DEVICES"] = ",".join(str(index) for index in spec.gpu_indices)
    return values


def _is_kept(name: str, spec: WorkerSpec) -> bool:
    if spec.in_container:  # an image's own variables are meant for its programs
        return name != POD_IP and not name.startswith("KUBERNETES_")
    return name in _KEPT or name.startswith("LC_")


def _hai(spec: WorkerSpec) -> dict[str, str]:
    return {
        "HAI_TASK_ID": str(spec.task_id),
        "HAI_TASK_NAME": spec.task_name,
        "HAI_CHAIN_ID": spec.chain_id,
        "HAI_ATTEMPT": str(spec.attempt),
        "HAI_RANK": str(spec.rank),
        "HAI_WORLD_SIZE": str(spec.world_size),
        "HAI_NODE_NAME": spec.node_name,
        "HAI_NODES": ",".join(spec.nodes),
        "HAI_USER": spec.user,
        "HAI_GROUP": spec.group,
        "HAI_PRIORITY": spec.priority,
        "HAI_CONTROL_DIR": spec.control_dir,
        "HAI_SUSPEND_FILE": os.path.join(spec.control_dir, "suspend"),
        "HAI_LOG_DIR": spec.log_dir,
        "HAI_WHOLE_LIFE_STATE": str(spec.whole_life_state),
        "HAI_SERVER": spec.server_url,
    }


def _gang(spec: WorkerSpec, order: dict[str, Any]) -> dict[str, str]:
    address = str(order.get("master_addr") or spec.address)
    return {
        "MASTER_ADDR": address,
        "MASTER_IP": address,
        "MASTER_PORT": str(order.get("master_port") or 0),
        "WORLD_SIZE": str(spec.world_size),
        "RANK": str(spec.rank),
    }


def _original(spec: WorkerSpec, account: ProgramAccount) -> dict[str, str]:
    """The rest of what programs written for the original platform read."""
    return {
        "NODE_NAME": spec.node_name,
        "CHAIN_ID": spec.chain_id,
        "MARSV2_TASK_TYPE": spec.task_type,
        "MARSV2_TASK_ID": str(spec.task_id),
        "MARSV2_NB_NAME": spec.task_name,
        "MARSV2_NB_GROUP": spec.group,
        "MARSV2_TASK_ENTRYPOINT": spec.entrypoint,
        "MARSV2_TASK_ENTRYPOINT_EXECUTABLE": str(spec.entrypoint_executable),
        "MARSV2_TASK_WORKSPACE": spec.workspace,
        "MARSV2_TASK_BACKEND": spec.image,
        "MARSV2_SERVER": spec.server_url,
        "MARSV2_WHOLE_LIFE_STATE": str(spec.whole_life_state),
        "MARSV2_UID": str(account.uid),
        "MARSV2_USER": spec.user,
        "MARSV2_NODE_NAME": spec.node_name,
        "MARSV2_RANK": str(spec.rank),
        "MARSV2_LOG_DIR": spec.log_dir,
        "MARSV2_LOG_FILE_PATH": os.path.join(spec.log_dir, segment_name(spec.rank, 0)),
        "MARSV2_VENV_PATH": spec.py_venv,
    }
