"""Use of NVIDIA GPUs, by the driver's own library (NVML), loaded when it is first asked."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LIBRARY = "libnvidia-ml.so.1"
_OK = 0


class Nvml:
    """An open library. `figures` gives {} when one of the GPUs does not answer."""

    def __init__(self, library: Any) -> None:
        import ctypes

        self._library = library
        self._ctypes = ctypes

    def figures(self, indices: list[int]) -> dict[str, float]:
        """Mean utilisation in percent and all memory in use, in bytes, of these GPUs."""
        found = [self._one(index) for index in indices]
        known = [pair for pair in found if pair is not None]
        if not known or len(known) < len(found):
            return {}
        return {
            "gpu_percent": sum(percent for percent, _ in known) / len(known),
            "gpu_memory_bytes": float(sum(used for _, used in known)),
        }

    def _one(self, index: int) -> tuple[float, int] | None:
        ctypes = self._ctypes
        device = ctypes.c_void_p()
        rates = (ctypes.c_uint * 2)()  # nvmlUtilization_t: gpu, memory
        memory = (ctypes.c_ulonglong * 3)()  # nvmlMemory_t: total, free, used
        byref = ctypes.byref
        is_known = (
            self._ask("nvmlDeviceGetHandleByIndex_v2", ctypes.c_uint(index), byref(device))
            and self._ask("nvmlDeviceGetUtilizationRates", device, byref(rates))
            and self._ask("nvmlDeviceGetMemoryInfo", device, byref(memory))
        )
        return (float(rates[0]), int(memory[2])) if is_known else None

    def _ask(self, function: str, *arguments: Any) -> bool:
        try:
            return bool(getattr(self._library, function)(*arguments) == _OK)
        except AttributeError:  # an older driver
            return False


def opened(library: str = LIBRARY) -> Nvml | None:
    """None where there is no driver, or none that works."""
    try:
        import ctypes

        nvml = ctypes.CDLL(library)
        is_ready = nvml.nvmlInit_v2() == _OK
    except (ImportError, OSError, AttributeError):
        return None
    return Nvml(nvml) if is_ready else None
