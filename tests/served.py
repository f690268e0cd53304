"""A server in a process of its own that forgets everything but files: no database. It can be killed
and started again with the same users and tokens.

    python -m tests.served FOLDER PORT    users as JSON on standard input: name -> [uid, token]
"""

import asyncio
import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import uvicorn

from hai.core.identity import Role, Token, User
from hai.core.node import Node, NodeHealth
from hai.core.quota import EVERYONE, Quota
from hai.core.task import EventDraft
from hai.core.types import GroupName, NodeName, Priority, UserName
from hai.ports import Store
from hai.server.app import build_app
from hai.server.compose import compose, opened
from hai.server.logging import setup_logging
from hai.service.users import token_hash
from hai.settings import load_settings
from tests.live import free_port
from tests.waiting import wait_until

_START_SECONDS = 240.0  # on a machine that is very busy
_ROOT = Path(__file__).parent.parent


@dataclass
class Served:
    """`users` are uids by name."""

    folder: Path
    users: Mapping[str, int | None]
    settings: Mapping[str, str] = field(default_factory=dict)  # HAI_<SECTION>__<KEY> by name

    def __post_init__(self) -> None:
        self.folder.mkdir(mode=0o711)
        self.port = free_port()
        self.tokens = {name: secrets.token_hex(16) for name in self.users}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def home(self, user: str) -> Path:
        """Where the workspaces of a user are."""
        return self.folder / "workspace" / user / "workspaces"

    def start(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.served", str(self.folder), str(self.port)],
            stdin=subprocess.PIPE,
            cwd=_ROOT,
            env={**os.environ, "PYTHONPATH": str(_ROOT), **self.settings},
        )
        assert self._process.stdin is not None
        users = {name: [uid, self.tokens[name]] for name, uid in self.users.items()}
        self._process.stdin.write(json.dumps(users).encode())
        self._process.stdin.close()
        wait_until(self._answers, _START_SECONDS, what="the server")

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None
        try:
            return httpx2.get(f"{self.url}/health", timeout=5).status_code == 200
        except httpx2.HTTPError:
            return False

    @property
    def is_alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def profile(self, user: str, port: int = 0) -> Path:
        """A client configuration file of this user; `port`: that of something before the server."""
        path = self.folder / f"conf-{user}.yaml"
        path.touch(0o600)
        url = f"http://127.0.0.1:{port or self.port}"
        path.write_text(f"url: {url}\ntoken: {self.tokens[user]}\nuser: {user}\n")
        return path

    def client(self, user: str) -> httpx2.Client:
        headers = {"Authorization": f"Bearer {self.tokens[user]}"}
        return httpx2.Client(base_url=f"{self.url}/api/v1", headers=headers, timeout=60)


@contextmanager
def served(folder: Path, users: Mapping[str, int | None], **settings: str) -> Iterator[Served]:
    """Runs until the end of the context."""
    made = Served(folder, users, settings)
    try:
        made.start()
        yield made
    finally:
        made.kill()


async def _tasks_may_wait(store: Store) -> None:
    """They can be submitted, and nothing starts them."""
    group = GroupName("training")
    await store.put_nodes([Node(NodeName("n1"), group, "hollow", health=NodeHealth.DRAINED)])
    quota = Quota(EVERYONE, group, Priority.NORMAL, 1)
    await store.put_quotas([quota], EventDraft(kind="quota.set", actor="test", at=0.0))


async def _serve(folder: Path, port: int, users: Mapping[str, Any]) -> None:
    settings = load_settings(server={"data_dir": folder, "port": port}, store={"url": "memory:"})
    platform = compose(settings)
    async with opened(platform):
        store = platform.store
        await _tasks_may_wait(store)
        for name, (uid, token) in users.items():
            user = User(UserName(name), Role.USER, uid)
            await store.add_user(user, EventDraft(kind="user.added", actor="test", at=0.0))
            known = Token(name, token_hash(token), user.name, 0.0)
            await store.add_token(known, EventDraft(kind="token.added", actor="test", at=0.0))
        app = build_app(platform.services)
        config = uvicorn.Config(app, port=port, log_config=None, lifespan="off")
        await uvicorn.Server(config).serve()


if __name__ == "__main__":
    setup_logging("warning", json_format=False)  # structlog's own tracebacks cost seconds each
    asyncio.run(_serve(Path(sys.argv[1]), int(sys.argv[2]), json.load(sys.stdin)))
