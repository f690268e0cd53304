"""hai-cli dev with a real JupyterLab on a local node."""

import json
import re
import sys

import httpx2
import pytest

from tests.acceptance.labs import kernel, needs_jupyterlab, opened, printed
from tests.acceptance.person import Person
from tests.live import Live

pytestmark = [pytest.mark.acceptance, needs_jupyterlab]


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
            code = "import os; print(os.environ['MARSV2_TASK_TYPE'])"
            with kernel(base, http, code) as socket:
                assert printed(socket) == "jupyter\n"
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
