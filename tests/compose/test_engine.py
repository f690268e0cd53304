"""The engine ends below a platform with Docker, and comes back."""

from signal import SIGKILL, SIGTERM, Signals

import pytest

from tests.compose.deployed import Deployed
from tests.waiting import wait_until

pytestmark = [pytest.mark.acceptance, pytest.mark.campaign, pytest.mark.timeout(1200)]

WITHIN_SECONDS = 240.0
# With its server gone as well an agent uses all of the time that it has to leave.
START_SECONDS = 400.0
_WAITS = """
import pathlib, time
print("begun", flush=True)
while not pathlib.Path("back").exists():
    time.sleep(.1)
"""


@pytest.mark.parametrize("signum", [SIGTERM, SIGKILL])
def test_an_engine_that_is_restarted_under_load(deployed: Deployed, signum: Signals) -> None:
    """As by a reboot: the platform comes back by itself, and so does its task. How often it is
    started meanwhile is the machine's affair."""
    deployed.run()
    deployed.init()
    task = deployed.submit("reboot.py", _WAITS, "--", "-n", "1")
    deployed.wait_log(task, "begun")
    deployed.engine.end(signum)
    deployed.engine.start(timeout=START_SECONDS)
    deployed.wait_ready()
    wait_until(lambda: deployed.log(task).count("begun") > 1, WITHIN_SECONDS, what="its 2nd start")
    (deployed.folder / "back").touch()
    deployed.wait(task, "succeeded")
    deployed.shell.line("hai-up down --purge --yes")
