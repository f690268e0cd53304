"""`python -m hai_up.backup.inside`, in a pod of the platform: which HAI is installed there, and
which one the server says that it is. One line of JSON."""

import json
import os
import sys

from hai import __version__
from hai_up.api import Api


def main() -> None:
    url, token = os.environ["HAI_SERVER__URL"], os.environ["HAI_TOKEN"]
    with Api(url, token) as api:
        answer = {"installed": __version__, "server": api.whoami()["server_version"]}
    sys.stdout.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main()
