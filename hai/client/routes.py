"""One table of the server's routes, read by every client (CLI, SDK, TUI).

Runs on Python 3.8 with nothing but the standard library: tasks ship it in their own interpreters.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from hai.errors import NotFound

API = "/api/v1"


@dataclass(frozen=True)
class Route:
    """`repeatable`: sending it twice is the same as once, so a lost connection may be retried."""

    method: str
    path: str
    repeatable: bool = False


def _get(path: str) -> Route:
    return Route("GET", API + path, repeatable=True)


ROUTES = {
    "health": Route("GET", "/health", repeatable=True),
    "ready": Route("GET", "/ready", repeatable=True),
    "platform": _get("/platform"),
    "vacate": Route("POST", API + "/admin/vacate", repeatable=True),
    "stop_all": Route("POST", API + "/admin/stop-all", repeatable=True),
    "go_on": Route("POST", API + "/admin/go-on"),
    "whoami": _get("/whoami"),
    "users": _get("/users"),
    "add_user": Route("POST", API + "/users"),
    "change_user": Route("PATCH", API + "/users/{name}", repeatable=True),
    "add_token": Route("POST", API + "/users/{name}/tokens"),
    "tokens": Route("GET", API + "/users/{name}/tokens"),
    "revoke_token": Route("DELETE", API + "/tokens/{id}"),
    "quotas": _get("/quotas"),
    "set_quotas": Route("PUT", API + "/quotas", repeatable=True),
    "images": _get("/images"),
    "put_image": Route("PUT", API + "/images", repeatable=True),
    "remove_image": Route("DELETE", API + "/images/{name}"),
    "environments": _get("/environments"),
    "mounts": _get("/mounts"),
    "put_mount": Route("PUT", API + "/mounts", repeatable=True),
    "remove_mount": Route("DELETE", API + "/mounts/{name}"),
    "allowances": _get("/allowances"),
    "put_allowances": Route("PUT", API + "/allowances", repeatable=True),
    "groups": _get("/groups"),
    "nodes": _get("/nodes"),
    "node_cordon": Route("POST", API + "/nodes/{name}/cordon", repeatable=True),
    "node_drain": Route("POST", API + "/nodes/{name}/drain", repeatable=True),
    "node_resume": Route("POST", API + "/nodes/{name}/resume", repeatable=True),
    "submit": Route("POST", API + "/tasks", repeatable=True),  # carries a request_id
    "tasks": _get("/tasks"),
    "task": _get("/tasks/{ref}"),
    "pretend": Route("POST", API + "/tasks", repeatable=True),  # with dry_run=true
    "why": _get("/tasks/{ref}/why"),
    "what_if": Route("POST", API + "/tasks/{ref}/what-if", repeatable=True),
    "estimates": _get("/scheduler/estimates"),
    "stop": Route("POST", API + "/tasks/{ref}/stop"),
    "remove": Route("POST", API + "/tasks/{ref}/remove"),
    "suspend": Route("POST", API + "/tasks/{ref}/suspend"),
    "resume": Route("POST", API + "/tasks/{ref}/resume"),
    "extend": Route("POST", API + "/tasks/{ref}/extend", repeatable=True),
    "array_stop": Route("POST", API + "/arrays/{id}/stop"),
    "array_suspend": Route("POST", API + "/arrays/{id}/suspend"),
    "array_resume": Route("POST", API + "/arrays/{id}/resume"),
    "priority": Route("POST", API + "/tasks/{ref}/priority", repeatable=True),
    "task_events": _get("/tasks/{ref}/events"),
    "door": Route("POST", API + "/tasks/{ref}/door", repeatable=True),
    "watch": _get("/tasks/{ref}/watch"),
    "logs": _get("/tasks/{ref}/logs"),
    "events": _get("/events"),
    "journal": _get("/scheduler/journal"),
    "dashboard": _get("/dashboard"),
    "dashboard_stream": _get("/dashboard/stream"),
    "workspaces": _get("/workspaces"),
    "workspace": _get("/workspaces/{name}"),
    "workspace_remove": Route("DELETE", API + "/workspaces/{name}"),
    "workspace_tree": _get("/workspaces/{name}/tree"),
    "workspace_digests": Route("POST", API + "/workspaces/{name}/digests", repeatable=True),
    "workspace_chunks_of": Route("POST", API + "/workspaces/{name}/chunks-of", repeatable=True),
    "workspace_missing": Route("POST", API + "/workspaces/{name}/missing", repeatable=True),
    "workspace_chunks": Route("PUT", API + "/workspaces/{name}/chunks", repeatable=True),
    "workspace_apply": Route("POST", API + "/workspaces/{name}/apply"),
    "snapshots": _get("/snapshots"),
    "workspace_snapshot": Route("POST", API + "/workspaces/{name}/snapshots", repeatable=True),
    "workspace_snapshot_files": _get("/workspaces/{name}/snapshots/{snapshot}"),
    "workspace_read": Route("POST", API + "/workspaces/{name}/read", repeatable=True),
}

# A change that the server only checks (call `dry_run.put_image` for `put_image`) has a path of its
# own: a server that is too old refuses it, where it would overlook a query and make the change.
CHECKED = API + "/dry-run"
ROUTES.update(
    {
        "dry_run." + name: Route(
            ROUTES[name].method, CHECKED + ROUTES[name].path[len(API) :], repeatable=True
        )
        for name in (
            "add_user",
            "change_user",
            "set_quotas",
            "put_image",
            "remove_image",
            "put_mount",
            "remove_mount",
            "put_allowances",
        )
    }
)


def route_path(route: Route, **parts: object) -> str:
    """The path of `route` with every part quoted; KeyError when a part is missing. NotFound for a
    part that no name can be: the server would take the path for another one's."""
    for value in map(str, parts.values()):
        if not value or "/" in value:
            raise NotFound(
                f"there is nothing of the name {value!r}",
                hint="a name is not empty and has no slash; the list of them shows them",
            )
    quoted = {key: quote(str(value), safe="") for key, value in parts.items()}
    # A dot segment would be folded away on its way: %2E survives.
    quoted = {k: v.replace(".", "%2E") if v in (".", "..") else v for k, v in quoted.items()}
    return route.path.format(**quoted)
