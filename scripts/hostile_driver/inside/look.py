"""Tries to read what a task must not: look.py PATH..."""

import glob
import os
import sys

PATHS = [
    *("/hai/spec/spec.json", "/hai/spec/..data/spec.json", "/hai/worker/exit.json"),
    *("/proc/1/environ", "/proc/1/mem", "/proc/1/maps", "/proc/1/root/hai/spec/spec.json"),
    "/proc/1/cwd/hai/spec/spec.json",
    "/var/run/secrets/kubernetes.io/serviceaccount/token",
]
FOUND = [*glob.glob("/proc/1/fd/*"), *glob.glob("/hai/spec/.*/*")]

for path in [*PATHS, *FOUND, *sys.argv[1:]]:
    try:
        with open(path, "rb") as file:
            print("GOT", path, len(file.read(10)))
    except OSError:
        continue
for name, value in os.environ.items():
    if value.startswith(("haiw_", "hai_")) or "TOKEN" in name or "PASSWORD" in name:
        print("GOT variable", name)
print("nothing else could be read")
print("DONE")
