"""Programs that serve, and exchanges with them."""

import select
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from tests.acceptance.person import Person

SERVES = """\
import http.server, socketserver, threading
class Echo(socketserver.StreamRequestHandler):
    def handle(self):
        while True:
            data = self.connection.recv(65536)
            if not data:
                self.connection.sendall(b"bye")
                return
            self.connection.sendall(data)
web = http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler)
class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
echo = Server(("127.0.0.1", 0), Echo)
threading.Thread(target=web.serve_forever, daemon=True).start()
print("ports", web.server_address[1], echo.server_address[1], "up", flush=True)
echo.serve_forever()
"""


@contextmanager
def forwarded(hai: Person, *words: str) -> Iterator[list[int]]:
    """The ports here, in order."""
    process = hai.start("port-forward", *words)
    with process:
        assert process.stderr is not None
        try:
            count = sum(":" in word or word.isdigit() for word in words[1:])
            lines = [process.stderr.readline().decode() for _ in range(count)]
            assert all("127.0.0.1:" in line for line in lines), lines
            yield [int(line.partition("127.0.0.1:")[2].split()[0]) for line in lines]
        finally:
            process.terminate()
            process.communicate()


def exchanged(call: socket.socket, blob: bytes) -> bytes:
    """What comes back of `blob` while it is being sent."""
    sent, got = 0, bytearray()
    while len(got) < len(blob):
        reads, writes, _ = select.select([call], [call] if sent < len(blob) else [], [], 60)
        assert reads or writes
        if writes:
            sent += call.send(blob[sent : sent + 65536])
        if reads:
            got += call.recv(1 << 20)
    return bytes(got)
