"""What containers ask for and nodes have, in plain words."""

from collections.abc import Iterable, Mapping

from hai.core.resources import GIB, NAMES


def amounts(data: Mapping[str, object], only: Iterable[str] = NAMES) -> str:
    """`as_data()` for people: "8 cpus, 32 GiB of memory and 1 GPU"."""
    wanted = list(only)
    parts = []
    cpus, memory, gpus = data.get("cpu"), data.get("memory_bytes"), data.get("gpus")
    if "cpu" in wanted and isinstance(cpus, int | float):
        parts.append(f"{cpus:g} cpu" if cpus == 1 else f"{cpus:g} cpus")
    if "memory" in wanted and isinstance(memory, int):
        parts.append(f"{_gib(memory)} of memory")
    if "gpus" in wanted and isinstance(gpus, int):
        parts.append(f"{gpus} GPU" if gpus == 1 else f"{gpus} GPUs")
    count = data.get("containers")
    if "containers" in wanted and isinstance(count, int):
        parts.append(f"{count} container" if count == 1 else f"{count} containers")
    if len(parts) < 2:
        return "".join(parts) or "nothing"
    return f"{', '.join(parts[:-1])} and {parts[-1]}"


def _gib(count: int) -> str:
    if count % GIB and count < 10 * GIB:
        return f"{count / 2**20:.0f} MiB"
    return f"{count / GIB:.0f} GiB"
