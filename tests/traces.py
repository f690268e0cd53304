"""Where real traces are: one is shipped, larger ones may stand beside the checkout."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
VCVGL = ROOT / "docs" / "examples" / "traces" / "venus_vcvGl_sept2020.csv.gz"
TRACES = Path(os.environ.get("HAI_TRACES") or ROOT.parent / "shared" / "traces")


def large_trace(name: str) -> Path:
    """A trace that is not shipped; skips the test where it is not there."""
    path = TRACES / name
    if not path.is_file():
        pytest.skip(f"the trace {name} is not in {TRACES} (HAI_TRACES names another folder)")
    return path
