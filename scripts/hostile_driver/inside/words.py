"""Writes much into the file that a cluster reads a container's last words from, which lies on its
node's own disk: words.py MIB"""

import os
import sys
import time

piece = b"x" * (1 << 20)
allowed = int(sys.argv[1]) << 20
most = left = 0
try:
    with open("/dev/termination-log", "ab", buffering=0) as file:
        for _ in range(int(sys.argv[1])):
            file.write(piece)
            most = max(most, os.fstat(file.fileno()).st_blocks * 512)
            time.sleep(0.02)
        for _ in range(100):
            left = os.fstat(file.fileno()).st_blocks * 512
            if left < 1 << 20:
                break
            time.sleep(0.1)
    if left >= 1 << 20 or most >= allowed:
        print("GOT", most, "bytes, and in the end", left)
    print(allowed >> 20, "MiB written,", most >> 20, "MiB kept at most,", left >> 10, "KiB left")
except OSError as error:
    print("it cannot be written:", error)
print("DONE")
