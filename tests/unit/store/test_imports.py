"""The driver is loaded only for a store that needs it."""

import subprocess
import sys


def test_the_memory_store_needs_no_driver() -> None:
    code = (
        "import sys; sys.path[:0] = sys.argv[1:]; from hai.store.open import open_store;"
        "open_store('memory:', 1); sys.exit('psycopg' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code, *sys.path], check=True)
