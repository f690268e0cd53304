"""CPU and memory of control groups, as their files tell them."""

from pathlib import Path

import pytest

from hai.agent.accounting import of_container, of_group

V2 = {
    "cpu.stat": "usage_usec 2500000\nuser_usec 2000000\n",
    "memory.current": "3000000\n",
    "memory.stat": "anon 1\ninactive_file 1000000\n",
}
V1 = {
    "cpuacct/cpuacct.usage": "2500000000\n",
    "memory/memory.usage_in_bytes": "3000000\n",
    "memory/memory.stat": "cache 5\ntotal_inactive_file 1000000\n",
}


def written(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (V2, (2.5, 2_000_000)),
        ({"cpu.stat": V2["cpu.stat"]}, (2.5, None)),  # the memory controller is off
        ({**V2, "memory.stat": "inactive_file 9000000\n"}, (2.5, 0)),
        ({"cgroup.procs": "1\n"}, (None, None)),  # version 1: freezer or pids
        ({"cpu.stat": "nonsense\n", "memory.current": "max\n"}, (None, None)),
    ],
)
def test_a_group(
    tmp_path: Path, files: dict[str, str], expected: tuple[float | None, int | None]
) -> None:
    written(tmp_path / "hai-1.1.0", files)
    assert of_group("/hai-1.1.0", str(tmp_path)) == expected
    assert of_group("", str(tmp_path)) == (None, None)


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (V2, (2.5, 2_000_000)),
        (V1, (2.5, 2_000_000)),
        ({**V1, "memory/memory.usage_in_bytes": f"{2**63}\n"}, (2.5, None)),
        ({"cpu.stat": V2["cpu.stat"]}, (None, None)),  # a machine's own root
        ({"cpu,cpuacct/cpuacct.usage": "1000000000\n"}, (1.0, None)),
        ({}, (None, None)),
    ],
)
def test_a_container(
    tmp_path: Path, files: dict[str, str], expected: tuple[float | None, int | None]
) -> None:
    written(tmp_path / "sys/fs/cgroup", files)
    assert of_container(str(tmp_path)) == expected
