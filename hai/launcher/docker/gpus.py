"""The NVIDIA GPUs of this machine, by the driver's own library (NVML), loaded when it is asked."""

import ctypes

from hai.errors import PlatformError

LIBRARY = "libnvidia-ml.so.1"
_OK = 0


def count_gpus(library: str = LIBRARY) -> int:
    """0 where there is no driver. PlatformError when there is one and it does not work."""
    try:
        nvml = ctypes.CDLL(library)
    except OSError:
        return 0
    _ask(nvml, "nvmlInit_v2")
    try:
        count = ctypes.c_uint(0)
        _ask(nvml, "nvmlDeviceGetCount_v2", ctypes.byref(count))
        return count.value
    finally:
        nvml.nvmlShutdown()


def _ask(nvml: ctypes.CDLL, function: str, *arguments: object) -> None:
    status = getattr(nvml, function)(*arguments)
    if status == _OK:
        return
    words = nvml.nvmlErrorString
    words.restype = ctypes.c_char_p
    told = (words(status) or b"").decode("utf-8", "replace")
    raise PlatformError(
        f"the GPUs cannot be counted: {function}: {told or status}",
        hint="try: nvidia-smi; or set [docker] node_gpus",
    )
