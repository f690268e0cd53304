"""A small load generator: keep-alive HTTP/1.1 over asyncio streams, cheap enough for two cores.

Run as a process of its own: `python -m scripts.benchmarks.load` with a JSON order on stdin
{"host", "port", "token", "connections", "bodies": [...]}; prints JSON figures on stdout.
"""

import asyncio
import json
import sys
import time
from typing import Any


async def _post(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: str, body: bytes
) -> int:
    writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
    status = int((await reader.readline()).split()[1])
    length = 0
    while (line := await reader.readline()) not in (b"\r\n", b""):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    await reader.readexactly(length)
    return status


async def _connection(order: dict[str, Any], bodies: list[bytes], took: list[float]) -> int:
    """Posts until no bodies are left; the number of refusals."""
    reader, writer = await asyncio.open_connection(order["host"], order["port"])
    head = (
        f"POST /api/v1/tasks HTTP/1.1\r\nHost: {order['host']}\r\n"
        f"Authorization: Bearer {order['token']}\r\nContent-Type: application/json\r\n"
    )
    refused = 0
    while bodies:
        body = bodies.pop()
        began = time.perf_counter()
        status = await _post(reader, writer, head, body)
        took.append(time.perf_counter() - began)
        refused += status != 201
    writer.close()
    await writer.wait_closed()
    return refused


async def _run(order: dict[str, Any]) -> dict[str, Any]:
    bodies = [json.dumps(body).encode() for body in order["bodies"]]
    bodies.reverse()
    took: list[float] = []
    began = time.perf_counter()
    refused = await asyncio.gather(
        *(_connection(order, bodies, took) for _ in range(order["connections"]))
    )
    return {"seconds": time.perf_counter() - began, "refused": sum(refused), "took": took}


if __name__ == "__main__":
    json.dump(asyncio.run(_run(json.load(sys.stdin))), sys.stdout)
