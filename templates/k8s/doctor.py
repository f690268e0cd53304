"""Inside a pod of hai-up doctor: SHARE FOLDER NODE UID DATABASE. One JSON object per second."""

import email.utils
import http.client
import json
import os
import signal
import ssl
import sys
import time

SHARE, NAME, NODE, UID, DATABASE = sys.argv[1:6]
FOLDER = os.path.join(SHARE, NAME)
FILE = os.path.join(FOLDER, NODE)
SCRATCH = os.path.join(FOLDER, "." + NODE)


def kind_of(path):
    """The file system below a path, of which the end may not exist."""
    while not os.path.lexists(path):
        path = os.path.dirname(path)
    best, kind = "", ""
    with open("/proc/self/mounts") as mounts:
        for line in mounts:
            words = line.split()
            point = words[1].rstrip("/")
            is_above = path == point or path.startswith(point + "/")
            if is_above and len(point) >= len(best):
                best, kind = point, words[2]
    return kind


def ahead():
    """Seconds of this node's clock before the API server's. Its certificate is not checked: nothing
    secret is sent, and a wrong answer costs a warning."""
    host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ["KUBERNETES_SERVICE_PORT"]
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        link = http.client.HTTPSConnection(host, int(port), timeout=5, context=context)
        before = time.time()
        link.request("GET", "/version")
        answer = link.getresponse()
        after = time.time()
        there = email.utils.parsedate_to_datetime(answer.headers["Date"]).timestamp()
    except (OSError, http.client.HTTPException, TypeError, ValueError):
        return None
    # The server cuts its time to whole seconds.
    return min(after - there, 0) if after < there else max(before - there - 1, 0)


def leave(*_):
    for remove, path in ((os.unlink, FILE), (os.unlink, SCRATCH), (os.rmdir, FOLDER)):
        try:
            remove(path)
        except OSError:
            pass
    os._exit(0)


def wrote(report):
    step = "write"
    try:
        os.makedirs(FOLDER, exist_ok=True)
        with open(FILE, "w") as file:
            file.write(NODE)
        step = "owner"
        os.chown(FILE, int(UID), int(UID))
    except OSError as error:
        report["step"] = step
        report["error"] = "cannot {}: {}".format(
            "write there" if step == "write" else "change owners there", error.strerror
        )


def sees():
    """A file that comes and goes makes a network file system look again, whatever it has cached."""
    try:
        open(SCRATCH, "w").close()
        os.unlink(SCRATCH)
    except OSError:
        pass
    try:
        return sorted(name for name in os.listdir(FOLDER) if not name.startswith("."))
    except OSError:
        return []


signal.signal(signal.SIGTERM, leave)
REPORT = {"share": kind_of(SHARE), "database": kind_of(DATABASE) if DATABASE else ""}
wrote(REPORT)
REPORT["ahead"] = ahead()
for _ in range(140):
    REPORT["sees"] = sees()
    print(json.dumps(REPORT), flush=True)
    time.sleep(1)
leave()
