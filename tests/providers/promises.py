"""What hai-up promises on every provider, as it is seen by whoever types its commands."""

import json

from tests.providers.site import Done, Site

RUNNING, NOT_RUNNING = "running", "not running"


def hai_up(site: Site, command: str, *words: str) -> Done:
    more = site.run_words if command == "run" else site.words
    return site.shell.tried("hai-up", command, *words, *more)


def keeps_its_promises(site: Site) -> None:
    """From nothing to nothing; about a minute where containers or pods are started."""
    before = site.left()
    assert_status(site, NOT_RUNNING)
    first = hai_up(site, "run")
    assert first.code == 0, first.text
    assert "HAI" in first.text, first.text
    assert "runs" in first.text, first.text
    assert_status(site, RUNNING)
    second_run_changes_nothing(site)
    down_keeps_the_data(site, before)
    again = hai_up(site, "run")
    assert again.code == 0, again.text
    assert_status(site, RUNNING)
    purge_asks_first(site)
    purge_leaves_nothing(site, before)


def assert_status(site: Site, word: str) -> None:
    """The word, the exit code and the form for programs go together."""
    done = hai_up(site, "status", "-o", "json")
    if word == NOT_RUNNING and "error:" in done.text:  # nothing was ever brought up here
        assert done.code == 3, done.text
        return
    facts = json.loads(done.text)
    assert facts["status"] == word, done.text
    assert done.code == {RUNNING: 0, NOT_RUNNING: 3}[word]
    assert word in hai_up(site, "status").text


def second_run_changes_nothing(site: Site) -> None:
    parts = site.parts()
    assert parts
    again = hai_up(site, "run")
    assert again.code == 0, again.text
    now = site.parts()
    changed = {name for name in {*parts, *now} if parts.get(name) != now.get(name)}
    assert not changed, f"{changed}: {again.text}"


def down_keeps_the_data(site: Site, before: set[str]) -> None:
    done = hai_up(site, "down")
    assert done.code == 0, done.text
    assert "data is kept" in done.text
    assert site.left() - before <= site.kept()
    assert site.has_data()
    assert_status(site, NOT_RUNNING)
    again = hai_up(site, "down")
    assert again.code == 0, again.text


def purge_asks_first(site: Site) -> None:
    """Nobody at the terminal, or the wrong word: nothing is changed."""
    parts = site.parts()
    refused = hai_up(site, "down", "--purge")
    assert refused.code == 2, refused.text
    assert "--yes" in refused.text
    wrong = site.shell.typed(f"not-{site.name}", "hai-up", "down", "--purge", *site.words)
    assert "nothing was changed" in wrong.text
    assert site.parts() == parts
    assert_status(site, RUNNING)


def purge_leaves_nothing(site: Site, before: set[str]) -> None:
    done = site.shell.typed(site.name, "hai-up", "down", "--purge", *site.words)
    assert done.code == 0, done.text
    assert "removed" in done.text
    assert site.left() == before
    assert not site.has_data()
    assert_status(site, NOT_RUNNING)
