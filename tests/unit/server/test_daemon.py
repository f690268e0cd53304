"""What the serving process does before it serves."""

import subprocess
import sys

LOW = """
import resource
from hai.server.daemon import raise_open_files
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
raise_open_files()
print(*resource.getrlimit(resource.RLIMIT_NOFILE), hard)
"""


def test_the_limit_of_open_files_is_raised_as_far_as_it_goes() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOW], capture_output=True, check=True, text=True, timeout=60
    )
    soft, hard, before = map(int, done.stdout.split())
    assert hard == before
    assert soft == (65_536 if hard < 0 else min(hard, 65_536))
