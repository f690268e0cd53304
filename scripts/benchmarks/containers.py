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
from tests.compose.deployed import TOKEN, Deployed, bring_compose
from tests.docker.engine import PrivateEngine, own_engine, what_is_missing
from tests.docker.platform import DockerPlatform, start_platform
from tests.kubernetes.images import build
from tests.waiting import wait_until

TASKS = 30
_CALL = re.compile(r'Calling (\w+ /v[\d.]+/\S+?)(?:\?\S*)?"')
# asked all the time, whether there are tasks or not, and when the bench looks itself
_IDLE = ("GET /v1.41/containers/json", "GET /v1.41/events", "GET /v1.41/info")


def containers() -> list[Figure]:
    """hai-server beside an engine, as on its machine."""
    require_engine()
    with own_engine(debug=True) as engine, _platform(engine) as live:
        view = Platform(live.work_dir, {}, live.url, live.tokens["root"])
        return measured(engine, view, "container")


def compose() -> list[Figure]:
    """As `hai-up run -p docker-compose` sets it up: the servers are containers as well."""
    require_engine()
    with own_engine(debug=True) as engine, _deployed(engine) as live:
        url = f"http://{engine.address}"
        return measured(engine, Platform(live.folder, {}, url, TOKEN), "container, docker-compose")


def require_engine() -> None:
    if missing := what_is_missing():
        raise SystemExit(missing)


def measured(engine: PrivateEngine, view: Platform, what: str) -> list[Figure]:
    """One task after the other; the engine's own log says what it was asked."""
    (view.folder / "hello.py").write_text("print('hello', flush=True)\n")
    first_line_of(view, "warm-up")
    wait_until(lambda: not _workers(engine), what="no container of a task")
    before = len(_calls(engine))
    seconds = [first_line_of(view, f"hello-{n}") for n in range(TASKS)]
    wait_until(lambda: not _workers(engine), what="no container of a task")
    asked = len(_calls(engine)) - before
    milliseconds = [1000 * one for one in seconds]
    return [
        figure(f"submit to first log line, {what}", milliseconds, "ms", "<=", 1000),
        figure(f"requests to the engine for a task, {what}", [asked / TASKS], "", "<=", 12),
    ]


def _workers(engine: PrivateEngine) -> list[str]:
    return [one["Id"] for one in engine.containers() if "hai.task" in one["Labels"]]


def _calls(engine: PrivateEngine) -> list[str]:
    """What the platform asked the engine for; `engine.containers` is not counted either."""
    log = (engine.folder / "log").read_text(errors="replace")
    return [call for call in _CALL.findall(log) if not call.startswith(_IDLE)]


@contextmanager
def _platform(engine: PrivateEngine) -> Iterator[DockerPlatform]:
    with tempfile.TemporaryDirectory(prefix="hai-bench-", dir="/tmp") as name:
        folder = Path(name)
        folder.chmod(0o755)
        postgres = EmbeddedPostgres(folder / "database")
        postgres.start()
        try:
            live = start_platform(folder / "site", postgres.url, engine)
            try:
                yield live
            finally:
                live.close()
        finally:
            postgres.stop("immediate")


@contextmanager
def _deployed(engine: PrivateEngine) -> Iterator[Deployed]:
    with tempfile.TemporaryDirectory(prefix="hai-bench-", dir="/tmp") as name:
        folder = Path(name)
        folder.chmod(0o755)
        image, archive = build(folder)
        engine.load(archive)
        live = Deployed(engine, image, bring_compose(), folder)
        live.run()
        yield live
