"""GPUs by the driver's library: a real shared library, made here."""

from pathlib import Path

from hai.agent import nvml
from tests.unit.agent.nvml_library import nvml_library


def test_the_drivers_library_is_asked(tmp_path: Path) -> None:
    found = nvml.opened(nvml_library(tmp_path))
    assert found is not None
    assert found.figures([0, 2]) == {"gpu_percent": 20.0, "gpu_memory_bytes": 4.0 * 2**30}
    assert found.figures([0, 3]) == {}, "one that does not tell its use"
    assert found.figures([0, 7]) == {}, "one that is not there"


def test_without_a_driver_nothing_is_known(tmp_path: Path) -> None:
    assert nvml.opened(str(tmp_path / "none.so")) is None
    assert nvml.opened(nvml_library(tmp_path, status=9)) is None
