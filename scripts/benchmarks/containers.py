"""How long a person waits for the first line of a task in a container, and what the engine is asked
for it. The image is there already, as it is for all but the first task."""

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hai_up.postgres import EmbeddedPostgres
from scripts.benchmarks.figures import Figure, figure
from scripts.benchmarks.latency import first_line_of
from scripts.benchmarks.platform import Platform
from tests.docker.engine import PrivateEngine, own_engine, what_is_missing
from tests.docker.platform import DockerPlatform, start_platform
from tests.waiting import wait_until

TASKS = 30
_CALL = re.compile(r'Calling (\w+ /v[\d.]+/\S+?)(?:\?\S*)?"')
# asked all the time, whether there are tasks or not
_IDLE = ("GET /v1.41/containers/json", "GET /v1.41/events", "GET /v1.41/info")


def containers() -> list[Figure]:
    """One after the other; the engine's own log says what it was asked."""
    missing = what_is_missing()
    if missing:
        raise SystemExit(missing)
    with own_engine(debug=True) as engine, _platform(engine) as live:
        first_line_of(_view(live), "warm-up")
        wait_until(lambda: not engine.containers(), what="an empty engine")
        before = len(_calls(engine))
        seconds = [first_line_of(_view(live), f"hello-{n}") for n in range(TASKS)]
        wait_until(lambda: not engine.containers(), what="an empty engine")
        asked = len(_calls(engine)) - before
    milliseconds = [1000 * one for one in seconds]
    return [
        figure("submit to first log line, container", milliseconds, "ms", "<=", 1000),
        figure("requests to the engine for one task", [asked / TASKS], "", "<=", 12),
    ]


def _calls(engine: PrivateEngine) -> list[str]:
    """What the platform asked the engine for; `engine.containers` is not counted either."""
    log = (engine.folder / "log").read_text(errors="replace")
    return [call for call in _CALL.findall(log) if not call.startswith(_IDLE)]


def _view(live: DockerPlatform) -> Platform:
    return Platform(live.work_dir, {}, live.url, live.tokens["root"])


@contextmanager
def _platform(engine: PrivateEngine) -> Iterator[DockerPlatform]:
    with tempfile.TemporaryDirectory(prefix="hai-bench-", dir="/tmp") as name:
        folder = Path(name)
        folder.chmod(0o755)
        postgres = EmbeddedPostgres(folder / "database")
        postgres.start()
        try:
            live = start_platform(folder / "site", postgres.url, engine)
            (live.work_dir / "hello.py").write_text("print('hello', flush=True)\n")
            try:
                yield live
            finally:
                live.close()
        finally:
            postgres.stop("immediate")
