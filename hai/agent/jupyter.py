"""JupyterLab as a worker's program. It listens on a socket file that only its user can open, and
nobody logs in by a password or by a token in an address: who may enter by the platform gets a code
that is good once, for a minute. The platform's door, which knows its visitors, brings the token.
"""

from __future__ import annotations

import hashlib
import os
import secrets

from hai.agent import files
from hai.agent.files import write_private

CODE_SECONDS = 60
CODES = "jupyter-codes"
SOCKET = "jupyter.sock"
TOKEN_FILE = "jupyter-token"  # noqa: S105 - its name
_MISSING = 127
_START = '''\
"""Written by HAI's agent: starts JupyterLab, or says what is missing."""
import importlib.util
import sys

if importlib.util.find_spec("jupyterlab") is None:
    print("JupyterLab is not in this environment: " + sys.prefix)
    print("install it there (pip install jupyterlab), or choose another one: --py-venv")
    sys.exit({missing})
sys.argv[1:] = ["--config", {config!r}]
from jupyterlab.labapp import main

sys.exit(main())
'''
_CONFIG = '''\
"""Written by HAI's agent: where JupyterLab listens, and who may enter."""
import hashlib
import os
import time

from jupyter_server.auth.identity import IdentityProvider


class OneTimeCodes(IdentityProvider):
    """`?code=` enters once; from then on a cookie does."""

    def get_token(self, handler):
        if getattr(handler, "hai_entered", False):
            return self.token
        code = handler.get_argument("code", "")
        if code and taken(code):
            handler.hai_entered = True
            return self.token
        kind, _, token = handler.request.headers.get("Authorization", "").partition(" ")
        return token if kind == "token" else None


def taken(code):
    path = os.path.join({codes!r}, hashlib.sha256(code.encode()).hexdigest())
    try:
        age = time.time() - os.stat(path).st_mtime
        os.unlink(path)
    except OSError:
        return False
    return age < {seconds}


c.ServerApp.identity_provider_class = OneTimeCodes
c.IdentityProvider.token = {token!r}
c.ServerApp.sock = {sock!r}
c.ServerApp.sock_mode = "0600"
c.ServerApp.allow_remote_access = True  # whoever comes has a code, a cookie or the token
c.ServerApp.root_dir = {root!r} or os.getcwd()
c.ServerApp.open_browser = False
c.ServerApp.allow_root = True
'''


def socket_of(control_dir: str) -> str:
    return os.path.join(control_dir, SOCKET)


def prepared(control_dir: str, workspace: str) -> str:
    """The script that starts it; as the user, in the child that becomes it. OSError."""
    codes = os.path.join(control_dir, CODES)
    os.makedirs(codes, 0o700, exist_ok=True)
    config = os.path.join(control_dir, "jupyter_config.py")
    sock = socket_of(control_dir)
    token = secrets.token_hex(32)
    text = _CONFIG.format(codes=codes, seconds=CODE_SECONDS, sock=sock, root=workspace, token=token)
    write_private(config, text)
    write_private(os.path.join(control_dir, TOKEN_FILE), token)
    start = os.path.join(control_dir, "jupyter_start.py")
    write_private(start, _START.format(missing=_MISSING, config=config))
    return start


def new_code(control_dir: int, uid: int | None = None) -> str:
    """A code that enters once; OSError when there is nowhere to leave it. `control_dir`: a
    descriptor; `uid`: whose it is, when that is not this process."""
    code = os.urandom(32).hex()
    folder = files.open_dir(CODES, control_dir)
    try:
        files.write(_name_of(code), b"", folder, uid=uid)
    finally:
        os.close(folder)
    return code


def forget_code(control_dir: int, code: str) -> None:
    """It enters no more. OSError."""
    folder = files.open_dir(CODES, control_dir)
    try:
        files.remove(_name_of(code), folder)
    finally:
        os.close(folder)


def _name_of(code: str) -> str:
    return hashlib.sha256(code.encode()).hexdigest()


def missing_text(where: str) -> str:
    """What a dev container lacks that ended at once, and the next command."""
    return (
        "JupyterLab is not installed in " + where + ": run `pip install jupyterlab` there (on a "
        "local node `pip install 'hai-platform[dev]'` will do), or name another environment with "
        "`hai-cli dev start NAME --py-venv DIR`"
    )
