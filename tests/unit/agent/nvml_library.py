"""A library as a GPU's driver brings it, made here: four GPUs, the last of which is broken."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

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


def nvml_library(folder: Path, status: int = 0) -> str:
    """Its path; `status` is what its start answers."""
    if shutil.which("gcc") is None and not os.environ.get("CI"):
        pytest.skip("gcc is missing")
    source = folder / "nvml.c"
    source.write_text(_FAKE % {"status": status})
    library = folder / "libfake.so"
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, source], check=True)
    return str(library)
