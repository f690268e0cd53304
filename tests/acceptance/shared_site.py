"""A platform whose nodes are shared."""

from typing import Any

import pytest

from tests.acceptance.conftest import MakeLive
from tests.live import Live

GROUP = "shared_cpu"


GIB = 2**30


STAND_IN = "#!/bin/sh\necho up\nexec sleep 600\n"


class SharedLive(Live):
    """One node of 4 cpus, 8 GiB and no GPU that containers share, beside a whole one."""

    def document(self) -> dict[str, Any]:
        document = super().document()
        document["groups"].append({"name": GROUP})
        shared = {"name": "shared-0", "group": GROUP, "launcher": "local", "gpus": 0}
        document["nodes"].append({**shared, "cpus": 4.0, "memory_bytes": 8 * GIB})
        return document


@pytest.fixture
def live(make_live: MakeLive) -> Live:
    live = make_live(
        kind=SharedLive, nodes=1, settings={"HAI_JUPYTER__SHARED_NODE_GROUP_PREFIX": "shared_"}
    )
    make_env(live, "env", STAND_IN)
    return live


def make_env(live: Live, name: str, program: str) -> None:
    """In place of an environment with JupyterLab."""
    binary = live.work_dir / name / "bin"
    binary.mkdir(parents=True)
    (binary / "python").write_text(program)
    (binary / "python").chmod(0o755)
