"""Where things are in one data folder."""

from dataclasses import dataclass
from pathlib import Path

MAX_DATA_DIR_BYTES = 1000  # the kernel takes 4095 for a whole path


@dataclass(frozen=True, slots=True)
class Layout:
    """The files of one platform on one machine, all below `root`."""

    root: Path

    @property
    def config(self) -> Path:
        return self.root / "override.toml"

    @property
    def secret(self) -> Path:
        return self.root / "secret"

    @property
    def state(self) -> Path:
        return self.root / "hai-up.json"

    @property
    def lock(self) -> Path:
        return self.root / "hai-up.lock"

    @property
    def pid(self) -> Path:
        return self.root / "server.pid"

    @property
    def log(self) -> Path:
        return self.root / "server.log"

    @property
    def studio_pid(self) -> Path:
        return self.root / "studio.pid"

    @property
    def studio_log(self) -> Path:
        return self.root / "studio.log"

    @property
    def postgres(self) -> Path:
        return self.root / "postgres"

    @property
    def workers(self) -> Path:
        return self.root / "workers"


def default_data_dir(*, is_root: bool, environ: dict[str, str], home: Path) -> Path:
    """/var/lib/hai for root, $XDG_DATA_HOME/hai (~/.local/share/hai) for everybody else."""
    if is_root:
        return Path("/var/lib/hai")
    base = environ.get("XDG_DATA_HOME", "")
    return (Path(base) if base.startswith("/") else home / ".local" / "share") / "hai"
