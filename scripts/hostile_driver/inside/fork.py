"""Starts processes until it may not: fork.py MOST"""

import os
import signal
import sys
import time

most = int(sys.argv[1])
made = []
why = "no limit was met"
for _ in range(most * 4):
    try:
        pid = os.fork()
    except OSError as error:
        why = str(error)
        break
    if not pid:
        time.sleep(600)
        os._exit(0)
    made.append(pid)
if len(made) > most:
    print("GOT", len(made), "processes:", why)
for pid in made:
    os.kill(pid, signal.SIGKILL)
for pid in made:
    os.waitpid(pid, 0)
print(len(made), "processes:", why)
print("DONE")
