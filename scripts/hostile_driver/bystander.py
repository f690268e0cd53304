"""Somebody who has nothing to do with an attack and goes on working meanwhile."""

import threading
import time
from typing import Self

import httpx2

_PAUSE_SECONDS = 0.1
_PATIENCE_SECONDS = 20.0  # of one request; the machine may be busy with other things
_KEPT = 3  # complaints that are told


class Bystander:
    """Asks `whoami`, and Studio for its first page, on a new connection each time: who is locked
    out gets no connection. Every answer must be right."""

    def __init__(self, url: str, token: str, studio_url: str) -> None:
        self._whoami = f"{url}/api/v1/whoami"
        self._token = token
        self._studio_url = studio_url
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._go, name="bystander")
        self.longest_seconds = 0.0
        self.answers = 0
        self.complaints: list[str] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()

    def verdict(self) -> str:
        """What went wrong for the bystander; "" for nothing."""
        if not self.complaints and not self.answers:
            return "nobody else asked for anything meanwhile"
        return "; ".join(self.complaints[:_KEPT])

    def _go(self) -> None:
        """One round at least, however short the attack."""
        while True:
            self._ask(self._whoami, {"Authorization": f"Bearer {self._token}"})
            if self._studio_url:
                self._ask(self._studio_url, {})
            if self._is_over.wait(_PAUSE_SECONDS):
                return

    def _ask(self, url: str, headers: dict[str, str]) -> None:
        began = time.monotonic()
        try:
            reply = httpx2.get(url, headers=headers, timeout=_PATIENCE_SECONDS, trust_env=False)
        except httpx2.HTTPError as error:
            self.complaints.append(f"{url}: {type(error).__name__} {error}")
            return
        self.longest_seconds = max(self.longest_seconds, time.monotonic() - began)
        self.answers += 1
        if reply.status_code != 200:
            self.complaints.append(f"{url}: {reply.status_code} {reply.text[:100]}")
