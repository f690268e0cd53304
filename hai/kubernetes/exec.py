"""A program inside a pod that runs: what goes in, what comes out, and how it ended.

The protocol is v4.channel.k8s.io: messages that begin with the number of their stream. It has no
end of input, and a node may never tell the end of a program that left input unread. So a shell in
the pod counts the input, ends it, and reads what the program did not.
"""

import asyncio
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

import aiohttp

from hai.errors import Unavailable
from hai.kubernetes import paths
from hai.kubernetes.client import KubernetesClient

_PROTOCOL = "v4.channel.k8s.io"
_STDIN, _STDOUT, _STDERR, _STATUS = range(4)
_PIECE_BYTES = 2**16
_STDERR_BYTES = 2**16  # kept
# sh's arguments: its name, how many bytes come, the program.
_SCRIPT = 'n=$1; shift; head -c "$n" | { "$@"; code=$?; cat >/dev/null; exit $code; }'
_COUNTED = ("sh", "-c", _SCRIPT, "sh")


@dataclass(frozen=True, slots=True)
class Pod:
    """Where a program is to run."""

    namespace: str
    name: str
    container: str


@dataclass(frozen=True, slots=True)
class Ended:
    """How it ended: its exit code and the last that it said on stderr."""

    code: int
    stderr: str


async def run_in_pod(
    client: KubernetesClient,
    pod: Pod,
    command: Sequence[str],
    stdout: BinaryIO,
    stdin: BinaryIO | None = None,
) -> Ended:
    """Run it to its end. Its command line can be seen by many: no secret belongs in it.

    stdin: a file that can be sought in, read from where it stands; then the pod needs sh, head
    and cat. The program sees its end.
    NotFound, Denied: there is no such pod, or one may not; Unavailable: the connection
    broke, and nobody knows what became of it.
    """
    path = f"{paths.core('pods', pod.namespace, pod.name)}/exec"
    params = [("container", pod.container), ("stdout", "true"), ("stderr", "true")]
    params += [("stdin", "true")] if stdin is not None else []
    words = command if stdin is None else [*_COUNTED, str(_left_of(stdin)), *command]
    params += [("command", word) for word in words]
    async with client.websocket(path, params=params, protocol=_PROTOCOL) as socket:
        feeding = asyncio.create_task(_feed(socket, stdin))
        try:
            return await _collect(socket, stdout)
        finally:
            feeding.cancel()
            await asyncio.gather(feeding, return_exceptions=True)


def _left_of(file: BinaryIO) -> int:
    """Bytes."""
    here = file.tell()
    end = file.seek(0, os.SEEK_END)
    file.seek(here)
    return end - here


async def _feed(socket: aiohttp.ClientWebSocketResponse, stdin: BinaryIO | None) -> None:
    while stdin is not None and (piece := stdin.read(_PIECE_BYTES)):
        await socket.send_bytes(bytes([_STDIN]) + piece)


async def _collect(socket: aiohttp.ClientWebSocketResponse, stdout: BinaryIO) -> Ended:
    said = bytearray()
    async for message in socket:
        if message.type is not aiohttp.WSMsgType.BINARY or not message.data:
            continue
        stream, piece = message.data[0], message.data[1:]
        if stream == _STDOUT:
            stdout.write(piece)
        elif stream == _STDERR:
            said += piece
            del said[:-_STDERR_BYTES]
        elif stream == _STATUS:
            return Ended(_code_of(json.loads(piece)), said.decode("utf-8", "replace"))
    raise Unavailable("the connection to the pod broke before its program ended")


def _code_of(status: dict[str, Any]) -> int:
    """Of the Status object that tells the end; 1 where it names no code."""
    if status.get("status") == "Success":
        return 0
    for cause in (status.get("details") or {}).get("causes") or ():
        if cause.get("reason") == "ExitCode":
            return int(cause["message"])
    return 1
