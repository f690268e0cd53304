"""Tries to connect to what a task must not reach: reach.py HOST:PORT..."""

import socket
import sys

for target in sys.argv[1:]:
    host, _, port = target.rpartition(":")
    try:
        socket.create_connection((host, int(port)), 3).close()
    except OSError as error:
        print(target, error)
    else:
        print("GOT a connection to", target)
print(len(sys.argv) - 1, "were tried")
print("DONE")
