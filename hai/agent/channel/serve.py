"""The worker's end of one channel: a process of its own, which runs as the program's user.

The agent starts it when the server asks for a channel, and knows nothing of what it carries. It
holds no key of the worker's, only the channel's own, which is good once.
"""

from __future__ import annotations

import os
import signal
import sys
import time

from hai.agent import files, processes
from hai.agent.channel import copying, jupyter_code, local_process, services, sshd, tcp
from hai.agent.channel.loop import ChannelSocket, Part, PollLoop
from hai.agent.channel.mux import Mux
from hai.agent.channel.websocket import ChannelRefused, connect
from hai.agent.program import Kernel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from hai.agent.channel.local_process import ProgramContext
    from hai.agent.channel.mux import Stream

OPEN_SECONDS = 30.0  # to reach the server; who asked gives up by the settings of the server
HANG_UP_SECONDS = 0.3  # from SIGHUP to SIGKILL, for what the streams have started
_KINDS = {
    "process": local_process.begin,
    "tcp": tcp.begin,
    "get": copying.begin_get,
    "put": copying.begin_put,
    "ssh": sshd.begin,
    "jupyter": jupyter_code.begin,
    "services": services.begin,
}


def main() -> int:
    """What to do comes on stdin. Exit status 0 when the channel was there."""
    data = files.read_stdin_json()
    if data["url"].startswith("https:"):
        import ssl  # noqa: F401 - now: the user may not be allowed to read the platform's Python

    "localhost".encode("idna")  # loads what every connection needs, for the same reason
    place = local_process.ProgramContext(data)
    Kernel()  # what the streams start comes to this process when its parents end
    place.become()
    Kernel().die_with_parent(int(data["agent"]))
    path = "/api/v1/agent/channel?id=" + data["id"]
    headers = {"Authorization": "Bearer " + data["token"], "X-HAI-Worker": data["key"]}
    try:
        socket = connect(data["url"], path, headers, OPEN_SECONDS)
    except (ChannelRefused, OSError, ValueError) as error:
        files.complain(f"channel: {error}")
        return 1
    _serve(socket, place, data["key"])
    return 0


def _serve(socket: Any, place: ProgramContext, key: str) -> None:
    loop = PollLoop()

    def opened(stream: Stream, info: dict[str, Any]) -> None:
        begin = _KINDS.get(str(info.get("kind")))
        if begin is None:
            stream.close(error="the agent of this worker is of an older release")
            return
        try:
            begin(stream, info, loop, place)
        except (OSError, ValueError, TypeError, KeyError) as error:
            stream.close(error=getattr(error, "strerror", None) or str(error))

    mux = Mux(socket, opened)
    place.children = local_process.Children(loop)
    line = ChannelSocket(socket, mux, lambda _why: loop.stop())
    ending = _Ending(socket, loop, "rank {} of task {} has ended".format(*_named(key)))
    loop.parts += [line, place.children, ending]
    line.feed()  # what came with the server's head
    loop.run()
    end_all(0.0 if ending.is_told else HANG_UP_SECONDS)


def _named(key: str) -> tuple[str, str]:
    task, _attempt, rank = key.split(".")
    return rank, task


class _Ending(Part):
    """SIGTERM: the agent says that the program has ended."""

    def __init__(self, socket: Any, loop: PollLoop, words: str) -> None:
        self.is_told = False
        self._words = words
        self._socket = socket
        self._loop = loop
        signal.signal(signal.SIGTERM, self._told)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)  # it wakes the poll

    def _told(self, _number: int, _frame: object) -> None:
        self.is_told = True

    def run_once(self) -> None:
        if self.is_told:
            self._socket.close(1001, self._words)
            self._loop.stop()


def end_all(seconds: float) -> None:
    """Nothing that came of this channel lives on."""
    own = os.getpid()
    kin = processes.descendants(own)
    processes.signal_all(kin, signal.SIGHUP)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and _reap():
        time.sleep(0.01)
    while processes.descendants(own) and time.monotonic() < deadline + 5:
        processes.signal_all(processes.descendants(own), signal.SIGKILL)
        if not _reap():
            return
        time.sleep(0.005)


def _reap() -> bool:
    """False when no child is left."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            continue
    except ChildProcessError:
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())
