"""Runs beside the user's program in every worker: `python -I -S agent.pyz <worker_dir>`.

Standard library only, Python >= 3.8, no imports from the rest of HAI: it is shipped as one file
(hai/agent/build.py) and may run under an interpreter that knows nothing of the platform. It
outlives any restart of the server and talks to it by HTTP long poll (hai/schema/agent.py).

Threads: the main one drains the program's output and watches everything (main.py, session.py);
one writes the log (logs.py), so that a slow disk never reaches the program; two talk to the server
(sync.py); one takes the usage figures (usage.py).
"""
