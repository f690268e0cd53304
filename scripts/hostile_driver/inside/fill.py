"""Fills the disk below its own file system, and stays: fill.py MIB"""

import os
import sys
import time

piece = os.urandom(1 << 20)
for folder in ("/tmp", "/var/tmp", os.environ["HAI_CONTROL_DIR"]):
    try:
        with open(f"{folder}/filling", "wb") as file:
            for _ in range(int(sys.argv[1])):
                file.write(piece)
        break
    except OSError as error:
        print(folder, error, flush=True)
time.sleep(600)
