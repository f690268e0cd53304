"""hai-cli dev with a real JupyterLab on a local node."""

import importlib.util
import json
import re
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx2
import pytest
from websockets.sync.client import connect

from tests.acceptance.person import Person
from tests.live import Live

pytestmark = [
    pytest.mark.acceptance,
    pytest.mark.skipif(
        importlib.util.find_spec("jupyterlab") is None, reason="needs JupyterLab (the extra dev)"
    ),
]


@contextmanager
def opened(person: Person, name: str) -> Iterator[str]:
    """The address that `dev open` tells."""
    process = person.start("dev", "open", name, "--no-browser", "--timeout", "200s")
    with process:
        assert process.stderr is not None
        try:
            said = ""
            while "http://" not in said:
                said = process.stderr.readline().decode()
                assert said, "dev open ended"
            yield "http://" + said.partition("http://")[2].strip()
        finally:
            process.terminate()
            process.communicate()


def answer_of(base: str, http: httpx2.Client, code: str) -> str:
    """What a new kernel prints when it runs the code."""
    headers = {"X-XSRFToken": http.cookies["_xsrf"]}
    made = http.post(f"{base}/api/kernels", json={"name": "python3"}, headers=headers)
    assert made.status_code == 201, made.text
    kernel = made.json()["id"]
    cookies = "; ".join(f"{name}={value}" for name, value in http.cookies.items())
    url = f"ws{base.removeprefix('http')}/api/kernels/{kernel}/channels"
    with connect(url, additional_headers={"Cookie": cookies}, open_timeout=60) as socket:
        head = {"msg_id": uuid.uuid4().hex, "msg_type": "execute_request", "username": ""}
        head |= {"session": uuid.uuid4().hex, "version": "5.3", "date": ""}
        content = {"code": code, "silent": False, "allow_stdin": False}
        message: dict[str, Any] = {"header": head, "parent_header": {}, "metadata": {}}
        socket.send(json.dumps({**message, "content": content, "channel": "shell"}))
        while True:
            got = json.loads(socket.recv(timeout=120))
            if got["msg_type"] == "stream":
                return str(got["content"]["text"])
            assert got["msg_type"] != "error", got


def test_a_lab_is_started_opened_used_and_started_again(live: Live) -> None:
    person = Person(live)
    started = person("dev", "start", "lab", "--py-venv", sys.prefix)
    assert started.code == 0, started.err
    assert "open it:  hai-cli dev open lab" in started.err
    again = person("dev", "start", "lab")
    assert again.code == 6
    assert "already" in again.err
    with opened(person, "lab") as url:
        base = url.partition("/lab")[0]
        with httpx2.Client(timeout=60, follow_redirects=True) as stranger:
            assert stranger.get(f"{base}/api/kernels").status_code == 403
        with httpx2.Client(timeout=60, follow_redirects=True) as http:
            page = http.get(url)
            assert page.status_code == 200
            assert "JupyterLab" in page.text
            told = answer_of(base, http, "import os; print(os.environ['MARSV2_TASK_TYPE'])")
            assert told == "jupyter\n"
        with httpx2.Client(timeout=60, follow_redirects=False) as late:
            assert late.get(url).status_code == 302, "a code is good once"
            assert late.get(f"{base}/api/kernels").status_code == 403
    listed = json.loads(person("dev", "list", "-o", "json").out)
    assert [(one["name"], one["task_type"]) for one in listed] == [("lab", "jupyter")]
    task = listed[0]["id"]
    assert person("dev", "stop", "lab").code == 0
    live.wait(task, "stopped")
    assert not live.programs()
    closed = person("dev", "open", "lab")
    assert closed.code == 6
    assert "dev start lab" in closed.err
    assert "jupyter" in person("dev", "logs", "lab").out.lower()
    second = person("jupyter", "start", "lab", cwd=live.directory)
    assert second.code == 0, second.err
    spec = live.detail(task + 1)["spec"]
    assert spec["spec"]["workspace"] == str(live.work_dir), "as it was"
    assert spec["options"]["py_venv"] == sys.prefix


def test_an_environment_without_jupyterlab_is_told(live: Live) -> None:
    person = Person(live)
    bare = live.work_dir / "bare"
    (bare / "bin").mkdir(parents=True)
    (bare / "bin" / "python").symlink_to("/usr/bin/python3")
    assert person("dev", "start", "bare", "--py-venv", str(bare)).code == 0
    task = json.loads(person("dev", "list", "-o", "json").out)[0]["id"]
    why = live.wait(task, "failed")["why"]
    assert f"JupyterLab is not installed in {bare}" in why
    assert "pip install jupyterlab" in why
    done = person("dev", "logs", "bare")
    assert re.search(r"JupyterLab is not in this environment: \S+", done.out)
    assert person("dev", "open", "nothing").code == 3
