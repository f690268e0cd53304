"""What a refused connection at the agents' address may mean."""

from pathlib import Path

import pytest

from hai.server.cluster import is_alone
from hai.settings import load_settings

HERE = 'host = "10.0.0.1"\nport = 7420\n'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"[server]\n{HERE}", True),
        (f'[server]\n{HERE}url = "http://10.0.0.1:7420"', True),
        (f'[server]\n{HERE}url = "http://hai.example"', False),  # a proxy, or a Service
        (f'[server]\n{HERE}url = "http://10.0.0.1:80"', False),
        ('[server]\nhost = "0.0.0.0"\nurl = "http://10.0.0.1:7420"', False),
        ('[server]\nhost = "0.0.0.0"', False),
        ("", False),  # 127.0.0.1 is the agents' own machine
        (f'[server]\n{HERE}[bus]\nurl = "redis://h"', False),
        (
            f'[server]\nrole = "control"\n{HERE}url = "http://10.0.0.1:7420"\n'
            '[bus]\nurl = "redis://h"\n[store]\nurl = "postgresql:///x"',
            False,
        ),
    ],
)
def test_only_one_server_at_its_own_address_is_alone(
    tmp_path: Path, text: str, expected: bool
) -> None:
    path = tmp_path / "override.toml"
    path.write_text(text)
    assert is_alone(load_settings(path)) is expected


def test_a_program_is_paused_well_before_it_counts_as_lost(tmp_path: Path) -> None:
    path = tmp_path / "override.toml"
    path.write_text("[agent]\nlost_after_seconds = 100\n")
    assert load_settings(path).agent.fence_seconds == pytest.approx(70.0)
