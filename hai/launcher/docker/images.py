"""Images that are not here yet: pulled in the background, each once at a time."""

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import Any

import structlog

from hai.docker.client import DockerClient
from hai.errors import HaiError, NotFound, PlatformError, Unavailable
from hai.launcher.containers import NO_IMAGE

log = structlog.get_logger("hai.launcher.docker")

IDLE_SECONDS = 300.0  # without a word of a pull
AGAIN_SECONDS = 15.0  # after a pull that failed for a reason that may pass
_NO_IMAGE = (*NO_IMAGE, "invalid reference format", "no matching manifest")


class Images:
    """`policy`: missing (pull what is not here) or never."""

    def __init__(
        self,
        client: DockerClient,
        policy: str,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._policy = policy
        self._monotonic = monotonic
        self._pulls: dict[str, asyncio.Task[None]] = {}
        self._progress: dict[str, str] = {}
        self._failed: dict[str, tuple[float, str]] = {}

    async def close(self) -> None:
        pulls, self._pulls = list(self._pulls.values()), {}
        for pull in pulls:
            pull.cancel()
            with contextlib.suppress(asyncio.CancelledError, HaiError):
                await pull

    async def fetch(self, ref: str) -> None:
        """The engine has no such image: Unavailable while it is pulled, PlatformError when it
        cannot be had. Returns when it has come."""
        if self._policy == "never":
            raise PlatformError(
                f"image {ref} is not on this machine, and [docker] pull is never",
                hint=f"docker pull {ref}",
            )
        since, why = self._failed.get(ref, (0.0, ""))
        if why and self._monotonic() - since < AGAIN_SECONDS:
            raise Unavailable(why)
        pull = self._pulls.get(ref)
        if pull is None:
            pull = self._pulls[ref] = asyncio.create_task(self._pull(ref), name=f"pull-{ref}")
        if not pull.done():
            await asyncio.wait({pull}, timeout=0.2)  # what is refused at once is told at once
        if not pull.done():
            raise Unavailable(f"image {ref} is being pulled{self._progress.get(ref, '')}")
        del self._pulls[ref]
        self._progress.pop(ref, None)
        self._take(ref, pull)

    def _take(self, ref: str, pull: asyncio.Task[None]) -> None:
        error = pull.exception()
        if error is None:
            self._failed.pop(ref, None)
            return
        if not isinstance(error, HaiError):
            raise error
        why = f"image {ref} cannot be pulled: {error.message}"
        words = error.message.lower()
        if isinstance(error, NotFound) or any(word in words for word in _NO_IMAGE):
            raise PlatformError(why, hint=f"docker pull {ref}")
        self._failed[ref] = (self._monotonic(), why)
        raise Unavailable(why)

    async def _pull(self, ref: str) -> None:
        log.info("image_pull", image=ref)
        name, tag = _split(ref)
        layers: dict[str, tuple[float, float]] = {}
        async with self._client.lines(
            "POST", "/images/create", idle_seconds=IDLE_SECONDS, fromImage=name, tag=tag
        ) as lines:
            async for line in lines:
                if line.get("error"):
                    raise Unavailable(" ".join(str(line["error"]).split())[:600])
                self._progress[ref] = _progress(layers, line)


def _split(ref: str) -> tuple[str, str]:
    """Name and tag or digest; without one the engine would pull all tags that there are."""
    name, at, digest = ref.partition("@")
    if at:
        return name, digest
    head, colon, tag = ref.rpartition(":")
    return (head, tag) if colon and "/" not in tag else (ref, "latest")


def _progress(layers: dict[str, tuple[float, float]], line: dict[str, Any]) -> str:
    """ ", 41 % of 1.2 GiB" of what is known of its layers."""
    detail = line.get("progressDetail") or {}
    if line.get("status") == "Downloading" and detail.get("total"):
        layers[str(line.get("id"))] = (float(detail.get("current", 0)), float(detail["total"]))
    total = sum(size for _, size in layers.values())
    if not total:
        return ""
    done = sum(current for current, _ in layers.values())
    return f", {100 * done / total:.0f} % of {total / 2**30:.1f} GiB"
