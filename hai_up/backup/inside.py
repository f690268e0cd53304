"""`python -m hai_up.backup.inside`, in a pod of the platform: which HAI is installed there, and
which one the server says that it is. One line of JSON."""

import json
import os
import sys

from hai import __version__
from hai_up.api import PATIENT_SECONDS, Api
from hai_up.process import wait_until

_PATIENCE_SECONDS = 60.0  # until the Service leads to a server that has just become ready


def main() -> None:
    url, token = os.environ["HAI_SERVER__URL"], os.environ["HAI_TOKEN"]
    with Api(url, token, timeout_seconds=PATIENT_SECONDS) as api:
        wait_until(api.is_ready, _PATIENCE_SECONDS, step_seconds=0.5)
        answer = {"installed": __version__, "server": api.whoami()["server_version"]}
    sys.stdout.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main()
