"""haiworkspace through the platform's API beside rsync over ssh: the same files, the same loopback,
in turn. HAI_BENCH_MIB is the size of the large file (1024 where it is not set)."""

import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from scripts.benchmarks.figures import Figure, figure
from tests.served import Served, served
from tests.sshd import Sshd, sshd

ROUNDS = 3
FILES = 10_000
_PER_FOLDER = 100
_MIB = 1 << 20


def workspaces() -> list[Figure]:
    """Pushes of 10,000 small files (first, unchanged, ten changed), and of a large file of which a
    part changed."""
    load = ", ".join(f"{one:.1f}" for one in os.getloadavg())
    print(f"load before: {load} (1, 5, 15 minutes)", file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix="hai-bench-") as name:
        folder = Path(name)
        folder.chmod(0o711)
        users = {"ann": os.geteuid()}
        with served(folder / "platform", users) as platform, sshd(folder) as server:
            return _Bench(folder, platform, server).figures()


class _Bench:
    def __init__(self, folder: Path, platform: Served, server: Sshd) -> None:
        self._folder = folder
        self._platform = platform
        self._server = server
        self._round = 0

    def figures(self) -> list[Figure]:
        small = [self._small() for _ in range(ROUNDS)]
        size = int(os.environ.get("HAI_BENCH_MIB", "1024"))
        large = [self._large(size) for _ in range(ROUNDS)]
        first, first_peer, same, same_peer, ten, ten_peer = (
            [1000 * one[index] for one in small] for index in range(6)
        )
        whole, whole_peer, part, part_peer = (
            [1000 * one[index] for one in large] for index in range(4)
        )
        limits = [1.5 * median(first_peer), 2 * median(same_peer) + 250, 2 * median(ten_peer) + 250]
        big = f"{size} MiB"
        return [
            figure(f"push {FILES:,} files, first; 1.5 x rsync", first, "ms", "<=", limits[0]),
            figure("unchanged; 2 x rsync + 250 ms", same, "ms", "<=", limits[1]),
            figure("ten changed; 2 x rsync + 250 ms", ten, "ms", "<=", limits[2]),
            figure(f"push {big}, first; 1.5 x rsync", whole, "ms", "<=", 1.5 * median(whole_peer)),
            figure(f"1 MiB of {big} changed; 1.0 x rsync", part, "ms", "<=", median(part_peer)),
        ]

    def _small(self) -> list[float]:
        """Seconds: first, unchanged, ten changed; each of haiworkspace and of rsync."""
        source = self._source()
        for number in range(FILES):
            path = source / f"d{number // _PER_FOLDER}" / f"f{number}.py"
            path.parent.mkdir(exist_ok=True)
            path.write_text(f"value = {number}\n" * 20)
        both = self._ready(source)
        found = [*both(), *both()]
        for number in range(0, FILES, FILES // 10):
            (source / f"d{number // _PER_FOLDER}" / f"f{number}.py").write_text("value = None\n")
        found += both()
        self._forget(source)
        return found

    def _large(self, size: int) -> list[float]:
        """Seconds: first, then with 1 MiB changed in its midst."""
        source = self._source()
        path = source / "weights.bin"
        block = random.Random(self._round).randbytes(16 * _MIB)  # noqa: S311
        with path.open("wb") as file:
            for number in range(0, size, 16):
                file.write(number.to_bytes(8, "big") + block[8 : min(16, size - number) * _MIB])
        both = self._ready(source)
        found = [*both()]
        with path.open("r+b") as file:
            file.seek(size // 2 * _MIB + 12_345)
            file.write(random.Random(0).randbytes(_MIB))  # noqa: S311
        found += both()
        self._forget(source)
        return found

    def _source(self) -> Path:
        self._round += 1
        made = self._folder / f"code{self._round}"
        made.mkdir()
        return made

    def _ready(self, source: Path) -> Callable[[], tuple[float, float]]:
        """Pushes by haiworkspace, then by rsync; the seconds of both."""
        self._haiworkspace(source, "init", source.name)
        target = f"{self._server.name}:{self._folder / 'rsynced' / source.name}/"
        (self._folder / "rsynced").mkdir(exist_ok=True)
        ssh = f"ssh -F {self._server.home}/.ssh/config"
        words = ["rsync", "-a", "--exclude=/.hai", "-e", ssh, f"{source}/", target]

        def both() -> tuple[float, float]:
            ours = _timed(lambda: self._haiworkspace(source, "push"))
            return ours, _timed(lambda: subprocess.run(words, check=True))

        return both

    def _haiworkspace(self, source: Path, *words: str) -> None:
        program = str(Path(sys.executable).with_name("haiworkspace"))
        variables = {**os.environ, "HAI_CONF": str(self._platform.profile("ann"))}
        subprocess.run(
            [program, *words], cwd=source, env=variables, check=True, capture_output=True
        )

    def _forget(self, source: Path) -> None:
        self._haiworkspace(source, "remove", source.name, "-y")
        shutil.rmtree(source)
        shutil.rmtree(self._folder / "rsynced" / source.name)


def _timed(work: Callable[[], object]) -> float:
    started = time.monotonic()
    work()
    return time.monotonic() - started
