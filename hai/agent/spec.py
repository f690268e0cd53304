"""spec.json, the launcher's order, as values."""

from __future__ import annotations

import os

from hai.agent.recorded import recorded_in

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


JUPYTER = "jupyter"  # a dev container: JupyterLab is its program
_LOOPBACK = "127.0.0.1"
POD_IP = "HAI_POD_IP"  # where a pod's agent finds its address


class WorkerSpec:
    """One worker to run. Raises KeyError, TypeError or ValueError on an incomplete document."""

    def __init__(self, data: dict[str, Any], worker_dir: str, cgroup: str = "") -> None:
        self.worker_dir = worker_dir
        self.cgroup = cgroup  # the folder of the worker's control group
        self.control_dir = os.path.join(worker_dir, "control")
        self.key = str(data["key"])
        task_id, attempt, rank = (int(part) for part in self.key.split("."))
        self.task_id, self.attempt, self.rank = task_id, attempt, rank
        self.node_name = str(data["node"]["name"])
        self.nodes = [str(node) for node in data.get("nodes") or [self.node_name]]
        self.user = str(data["user"])
        self.uid: int | None = data["uid"]
        self.task_name = str(data["task_name"])
        self.chain_id = str(data["chain_id"])
        self.group = str(data["group"])
        self.priority = str(data["priority"])
        self.world_size = int(data["world_size"])
        self.whole_life_state = int(data["whole_life_state"])
        self.log_dir = str(data["log_dir"])
        self.server_url = str(data["server_url"])
        self.token = str(data["token"])
        self.python = str(data["python"])
        told = data.get("address") or os.environ.get(POD_IP)
        self.address = str(told or address_towards(self.server_url))
        self.gpu_indices = [int(index) for index in data.get("gpu_indices") or []]
        self.limits = {name: float(value) for name, value in (data.get("limits") or {}).items()}
        self.segment_bytes = int(data["segment_bytes"])
        self.segments = int(data["segments"])
        self.processes = int(data.get("processes") or 0)
        self._read_log_bounds(data)
        self.fence_seconds = float(data.get("fence_seconds") or 0.0)
        self.server_is_alone = bool(data.get("server_is_alone"))
        self.scripts_folder = str(data.get("post_system_init") or "")
        self.root_scripts = [str(path) for path in data.get("root_scripts") or []]
        self.env_dir = str(data.get("env_dir") or "")
        self.env_bytes = int(data.get("env_bytes") or 0)
        self._read_container(data)
        self._read_document(data["spec"], float(data["watchdog_seconds"]))

    def _read_log_bounds(self, data: dict[str, Any]) -> None:
        """This rank's share of what its attempt may keep (0: as many as the segments have), and
        what stays free on the disk."""
        attempt_bytes = int(data.get("log_attempt_bytes") or 0)
        self.log_keep_bytes = attempt_bytes // self.world_size
        self.log_reserve_bytes = int(data.get("log_reserve_bytes") or 0)

    def _read_container(self, data: dict[str, Any]) -> None:
        """What only a worker in a container has."""
        self.in_container = bool(data.get("in_container"))
        self.end_file = str(data.get("end_file") or "")
        self.leave_seconds = float(data.get("leave_seconds") or 0.0)
        self.gid: int | None = data.get("gid")
        self.capabilities = [str(name) for name in data.get("capabilities") or []]
        self.groups = [int(group) for group in data.get("groups") or []]

    def _read_document(self, document: dict[str, Any], watchdog_seconds: float) -> None:
        """What the user wrote: run yaml, version 2."""
        run = document["spec"]
        options = document.get("options") or {}
        self.entrypoint = str(run["entrypoint"])
        self.workspace = str(run.get("workspace") or "")
        self.parameters = str(run.get("parameters") or "")
        environments = run.get("environments") or {}
        self.environments = {str(name): str(value) for name, value in environments.items()}
        self.entrypoint_executable = bool(run.get("entrypoint_executable"))
        self.image = str((document.get("resource") or {}).get("image") or "default")
        self.py_venv = str(options.get("py_venv") or "")
        services = document.get("services")
        self.services: list[Any] = services if isinstance(services, list) else []
        self.environment = recorded_in(options)
        self.suspend_signal = str(options.get("suspend_signal") or "")
        self.checkpoint = str(options.get("checkpoint") or "")
        self.task_type = str(document.get("task_type") or "training")
        # nobody has to say anything in a dev container
        default = 0.0 if self.task_type == JUPYTER else watchdog_seconds
        self.watchdog_seconds = float(options.get("watchdog_time") or default)


def address_towards(url: str) -> str:
    """This container's own address on its way to the server; nothing is sent."""
    import socket
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(url)
        if not parts.hostname:
            return _LOOPBACK
        where = socket.getaddrinfo(parts.hostname, parts.port or 80, type=socket.SOCK_DGRAM)
        family, kind, _, _, server = where[0]
        with socket.socket(family, kind) as probe:
            probe.connect(server)
            return str(probe.getsockname()[0])
    except (OSError, ValueError):
        return _LOOPBACK
