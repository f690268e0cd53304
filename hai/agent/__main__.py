"""`python -I -S agent.pyz <worker_dir> [<spec file>]`, or `python -m hai.agent ...`."""

import sys

from hai.agent.main import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
