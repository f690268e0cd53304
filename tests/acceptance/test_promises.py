"""The promises of every provider, kept by the one that is this machine alone."""

from pathlib import Path

import psutil
import pytest

from hai_up.layout import Layout
from tests.providers.promises import keeps_its_promises
from tests.providers.site import Shell

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(600)]


class LocalSite:
    def __init__(self, folder: Path) -> None:
        home = folder / "home"
        home.mkdir()
        self.data = folder / "data"
        self.name = self.data.name
        self.shell = Shell(home=home, variables={"HAI_DATA_DIR": str(self.data)})
        self.run_words: tuple[str, ...] = ("--port", "0", "--studio-port", "0", "--nodes", "1")
        self.words: tuple[str, ...] = ()

    def parts(self) -> dict[str, str]:
        """Processes of the folder, by what they are."""
        layout = Layout(self.data)
        pids = (layout.pid, layout.studio_pid, layout.postgres / "data" / "postmaster.pid")
        return {path.name: path.read_text().split("\n")[0] for path in pids if path.exists()}

    def has_data(self) -> bool:
        return (Layout(self.data).postgres / "data" / "PG_VERSION").exists()

    def kept(self) -> set[str]:
        return set()

    def left(self) -> set[str]:
        named = str(self.data)
        found = set()
        for process in psutil.process_iter(["cmdline"]):
            if any(named in word for word in process.info["cmdline"] or ()):
                found.add(" ".join(process.info["cmdline"]))
        return found


def test_local(public_dir: Path) -> None:
    keeps_its_promises(LocalSite(public_dir))
