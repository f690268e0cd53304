"""How long a person waits: submit to first log line, line written to line seen, --help."""

import subprocess
import sys
import time
from pathlib import Path

import httpx2

from scripts.benchmarks.figures import Figure, figure
from scripts.benchmarks.platform import Platform, platform

SUBMITS = 30
LINES = 200
STARTS = 20

_HELLO = "print('hello', flush=True)\n"
# each line carries the time at which it was written; the pause keeps lines apart
_TICKER = """
import sys, time
for _ in range(int(sys.argv[1])):
    print(repr(time.time()), flush=True)
    time.sleep(0.03 + 0.0001 * (_ % 100))
"""


def first_line() -> list[Figure]:
    """From the request, and from the start of hai-cli, to the program's first line."""
    with platform() as live:
        (live.folder / "hello.py").write_text(_HELLO)
        api = [first_line_of(live, f"hello-{index}") * 1000 for index in range(SUBMITS)]
        cli = [_first_line_cli(live) * 1000 for _ in range(SUBMITS // 2)]
    return [
        figure("submit to first log line, API", api, "ms", "<=", 500),
        figure("submit to first log line, `hai-cli python ... -f`", cli, "ms", "<=", 500),
    ]


def first_line_of(live: Platform, name: str) -> float:
    """Seconds from the request for hello.py, under this name, to its first line."""
    headers = {"Authorization": f"Bearer {live.token}"}
    spec = {"entrypoint": "hello.py", "workspace": str(live.folder)}
    document = {"version": 2, "name": name, "spec": spec, "priority": "HIGH"}
    with httpx2.Client(base_url=f"{live.url}/api/v1", headers=headers, timeout=30) as client:
        client.get("/whoami")  # the connection is there, as it is for a client that is used
        began = time.perf_counter()
        task = client.post("/tasks", json=document).json()
        with client.stream("GET", f"/tasks/{task['id']}/logs", params={"follow": "1"}) as stream:
            seen = None
            for line in stream.iter_lines():
                if seen is None and line.startswith("data: ") and '"lines"' in line:
                    seen = time.perf_counter() - began
    if seen is None:
        raise SystemExit("the task ended without a line")
    return seen


def _first_line_cli(live: Platform) -> float:
    command = live.command("hai-cli", "python", "hello.py", "--", "-n", "1", "-f")
    began = time.perf_counter()
    with subprocess.Popen(
        command,
        cwd=live.folder,
        env=live.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if b"hello" in line and b"hello.py" not in line:
                seen = time.perf_counter() - began
                process.stdout.read()
                return seen
    raise SystemExit("hai-cli ended without the line")


def followed_line() -> list[Figure]:
    """From the program's write to the follower's terminal."""
    with platform() as live:
        (live.folder / "ticker.py").write_text(_TICKER)
        command = live.command("hai-cli", "python", "ticker.py", str(LINES), "--", "-n", "1", "-f")
        delays = []
        with subprocess.Popen(
            command,
            cwd=live.folder,
            env=live.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        ) as process:
            assert process.stdout is not None
            for line in process.stdout:
                seen = time.time()  # noqa: TID251 - compared with the program's own clock
                try:
                    delays.append((seen - float(line)) * 1000)
                except ValueError:
                    continue
    return [figure("line written to line seen, `logs -f`", delays[5:], "ms", "<=", 150)]


def help_time() -> list[Figure]:
    """`hai-cli --help`, as a whole process."""
    command = [str(Path(sys.executable).parent / "hai-cli"), "--help"]
    took = []
    for _ in range(STARTS):
        began = time.perf_counter()
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
        took.append((time.perf_counter() - began) * 1000)
    return [figure("hai-cli --help", took[1:], "ms", "<=", 150)]
