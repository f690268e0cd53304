"""GPUs by the driver's library: a real shared library, made here."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from hai.agent import nvml

_FAKE = """
typedef struct { unsigned gpu, memory; } utilization;
typedef struct { unsigned long long total, free, used; } memory;
static int numbers[] = {0, 1, 2, 3, 4, 5, 6, 7};
int nvmlInit_v2(void) { return %(status)d; }
int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **device) {
    if (index >= 4) return 2;
    *device = &numbers[index];
    return 0;
}
int nvmlDeviceGetUtilizationRates(void *device, utilization *found) {
    int index = *(int *)device;
    if (index == 3) return 3;
    found->gpu = 10 * (index + 1);
    found->memory = 99;
    return 0;
}
int nvmlDeviceGetMemoryInfo(void *device, memory *found) {
    found->total = 80ULL << 30;
    found->used = (1ULL + *(int *)device) << 30;
    found->free = found->total - found->used;
    return 0;
}
"""


def fake(folder: Path, status: int = 0) -> str:
    if shutil.which("gcc") is None and not os.environ.get("CI"):
        pytest.skip("gcc is missing")
    source = folder / "nvml.c"
    source.write_text(_FAKE % {"status": status})
    library = folder / "libfake.so"
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, source], check=True)
    return str(library)


def test_the_drivers_library_is_asked(tmp_path: Path) -> None:
    found = nvml.opened(fake(tmp_path))
    assert found is not None
    assert found.figures([0, 2]) == {"gpu_percent": 20.0, "gpu_memory_bytes": 4.0 * 2**30}
    assert found.figures([0, 3]) == {}, "one that does not tell its use"
    assert found.figures([0, 7]) == {}, "one that is not there"


def test_without_a_driver_nothing_is_known(tmp_path: Path) -> None:
    assert nvml.opened(str(tmp_path / "none.so")) is None
    assert nvml.opened(fake(tmp_path, status=9)) is None
