"""Names and values that mean something else to whoever reads them."""

import csv
import io
import os

from hai.core.visible import shown
from scripts.chaos_driver.site import LocalSite
from scripts.chaos_driver.waiting import Violation
from scripts.hostile_driver.attacks import ATTACKER, VICTIM, Scene, local
from scripts.hostile_driver.site import QUIET, script, task

BAD_NAMES = (
    *("", " ", "  \u00a0", "\u200b", "\u3164", "\u2800", "a\u202eb", "a\u200bb", "\u0301"),
    *("\U000e0041x", "\x1b[2Jx", "a\nb", "all", "me", "12", "12_[*]", "12_[3]", "@last", "a/b"),
    *("\ufe0f", "\u034f", "\u115f", "\U0001bca0"),
)
FORMULAS = ("=1+1", "+1+1", "-1+1", "@SUM(A1)")


@local("names", "a name has something to see and cannot be taken for something else")
def names(scene: Scene[LocalSite]) -> str:
    """None of them may be taken."""
    with scene.site.client(scene.tokens[ATTACKER]) as client:
        taken = []
        for name in BAD_NAMES:
            body = task(scene.site, "quiet.sh", name=name)
            if client.post("/tasks", json=body).status_code != 422:
                taken.append(shown(name))
    if taken:
        raise Violation(f"these were taken as names: {taken}")
    return f"all {len(BAD_NAMES)} were refused"


@local("formulas", "what others wrote does not act in a spreadsheet or a terminal")
def formulas(scene: Scene[LocalSite]) -> str:
    """A name that is a formula, read by another user as csv."""
    script(scene.site, "quiet.sh", QUIET)
    made = []
    with scene.site.client(scene.tokens[ATTACKER]) as client:
        for name in FORMULAS:
            reply = client.post("/tasks", json=task(scene.site, "quiet.sh", name=name))
            if reply.status_code == 201:
                made.append(reply.json()["id"])
        text = _listed(scene)
        for task_id in made:
            client.post(f"/tasks/{task_id}/stop", json={}).raise_for_status()
    cells = [cell for row in csv.reader(io.StringIO(text)) for cell in row]
    live = [cell for cell in cells if cell[:1] in tuple("=+@-\t\r") and len(cell) > 1]
    if live or any(not c.isprintable() for c in text.replace("\n", "")):
        raise Violation(f"csv has live cells or codes: {live} {ascii(text)[:300]}")
    if made and "'=1+1" not in cells:
        raise Violation(f"the formula is not in the list: {cells[:40]}")
    return f"{len(made)} of {len(FORMULAS)} were taken as names, and are text in csv"


def _listed(scene: Scene[LocalSite]) -> str:
    """What the victim reads of everybody's tasks."""
    site = scene.site
    profile = site.folder / "victim.yaml"
    profile.touch(0o600)
    profile.write_text(f"url: {site.url}\ntoken: {scene.tokens[VICTIM]}\nuser: {VICTIM}\n")
    kept = site.environment
    try:
        site.environment = {**kept, "HAI_CONF": os.fspath(profile)}
        code, said = site.run_command("hai-cli", "list", "--all", "-o", "csv")
    finally:
        site.environment = kept
    if code:
        raise Violation(f"hai-cli list -o csv: exit {code}: {said[:300]}")
    return said


@local("methods", "a wrong method or value is told what is right")
def methods(scene: Scene[LocalSite]) -> str:
    script(scene.site, "quiet.sh", QUIET)
    with scene.site.client(scene.tokens[ATTACKER]) as client:
        wrong = client.put("/tasks", json={})
        if wrong.status_code != 405 or "GET" not in wrong.headers.get("Allow", ""):
            raise Violation(f"PUT /tasks: {wrong.status_code}, Allow {wrong.headers.get('Allow')}")
        made = client.post("/tasks", json=task(scene.site, "quiet.sh")).raise_for_status().json()
        path = f"/tasks/{made['id']}/priority"
        null = client.post(path, json={"priority": None, "custom_rank": 1.0}).status_code
        empty = client.post(path, json={"priority": None}).status_code
        client.post(f"/tasks/{made['id']}/stop", json={}).raise_for_status()
    if (null, empty) != (200, 422):
        raise Violation(f'"priority": null with a rank is {null}, alone {empty}')
    return "405 names the methods; a priority of null is none"
