"""Answers that are whole: every row for programs, a page and the count for people; arrays wherever
a task can be named; documents that arrive as they were written."""

import csv
import io
import json
import signal
from pathlib import Path

import pytest
import yaml

from tests.acceptance.person import PROGRAM, Person, Result
from tests.acceptance.tmux import window
from tests.live import Live

pytestmark = [
    pytest.mark.acceptance,
    pytest.mark.xdist_group("whole_answers"),
]

MANY = 1203  # more than two of the server's largest pages


@pytest.fixture(scope="module")
def many(hai: Person) -> list[int]:
    """The ids of an array of waiting tasks, in their order."""
    words = ("--name", "many", "-g", "hollow", "--options", "simulate.seconds=1000000")
    hai.live.script("many.py", "")
    done = hai("python", "many.py", "--", *words, "--array", f"0-{MANY - 1}", "-q")
    assert done.code == 0, done.err
    first = int(done.out)
    return list(range(first, first + MANY))


def array_of(hai: Person, name: str, indices: str, text: str, *options: str) -> int:
    """An array of local tasks; its id."""
    hai.live.script(f"{name}.sh", text)
    done = hai("bash", f"{name}.sh", "--", "--name", name, "--array", indices, "-q", *options)
    assert done.code == 0, done.err
    return int(done.out)


def ids_in(form: str, text: str) -> list[int]:
    if form == "csv":
        return [int(row["id"]) for row in csv.DictReader(io.StringIO(text))]
    if form == "jsonl":
        return [json.loads(line)["id"] for line in text.splitlines()]
    if form == "name":
        return [int(line) for line in text.split()]
    rows = json.loads(text) if form == "json" else yaml.load(text, yaml.CSafeLoader)
    return [row["id"] for row in rows]


@pytest.mark.parametrize("form", ["json", "csv", "jsonl", "yaml", "name"])
def test_formats_for_programs_give_every_row(hai: Person, many: list[int], form: str) -> None:
    done = hai("list", "-o", form, "--name", "many_[")
    assert (done.code, done.err) == (0, "")
    assert ids_in(form, done.out) == many[::-1]


def test_bare_ids_are_all_ids(hai: Person, many: list[int]) -> None:
    assert ids_in("name", hai("list", "-q", "--name", "many_[").out) == many[::-1]
    assert ids_in("name", hai("list", "-q", "--name", "many_[", "-p", "2").out) == many[-13:-25:-1]
    assert len(hai("list", "-q", "-ps", "7").out.split()) == 7


def test_sort_and_fields_and_filters_are_of_all_rows(hai: Person, many: list[int]) -> None:
    words = ("list", "--name", "many_[", "--fields", "array_index,id")
    done = hai(*words, "--sort", "array_index", "-o", "jsonl")
    rows = [json.loads(line) for line in done.out.splitlines()]
    assert rows == [{"array_index": n, "id": id_} for n, id_ in enumerate(many)]
    page = hai(*words, "--sort", "array_index", "-p", "2", "-ps", "3", "--no-headers")
    assert [line.split() for line in page.out.splitlines()] == [
        [str(n), str(many[n])] for n in (3, 4, 5)
    ]
    assert f"3 of {MANY:,} tasks, page 2 of 401" in page.err
    running = hai("list", "--name", "many_[", "--state", "queued", "-o", "name")
    assert 0 < MANY - len(running.out.split()) <= 4


def test_people_get_a_page_and_the_count(hai: Person, many: list[int]) -> None:
    done = hai("list", "--name", "many_[")
    assert len(done.out.splitlines()) == 13
    assert f"12 of {MANY:,} tasks, page 1 of 101" in done.err


def test_a_wrong_field_is_told_before_anything_is_asked(hai: Person, many: list[int]) -> None:
    for words in (("--sort", "colour"), ("--fields", "colour"), ("-p", "0"), ("-ps", "501")):
        done = hai("list", *words, "-o", "json")
        assert (done.code, done.out) == (2, ""), words


def test_events_are_all_events(hai: Person, many: list[int]) -> None:
    words = ("events", "--kind", "task.submitted", "-u", "root")
    every = hai(*words, "-o", "json")
    rows = json.loads(every.out)
    assert [row["id"] for row in rows] == sorted(row["id"] for row in rows)
    assert {row["kind"] for row in rows} == {"task.submitted"}
    assert [row["task_id"] for row in rows if row["task_id"] in set(many)] == many
    shown = hai(*words, "--no-headers")
    assert len(shown.out.splitlines()) == 100
    assert f"100 of {len(rows):,} events" in shown.err
    newest = hai(*words, "--limit", "3", "-o", "jsonl")
    assert [json.loads(line) for line in newest.out.splitlines()] == rows[-3:]
    oldest = hai(*words, "--limit", "2", "--sort", "id", "-o", "jsonl")
    assert [json.loads(line) for line in oldest.out.splitlines()] == rows[:2]
    assert hai(*words, "--limit", "0", "-o", "json").out == "[]\n"


def test_events_of_a_time(hai: Person, many: list[int]) -> None:
    first = json.loads(hai("events", str(many[0]), "-o", "json").out)[0]["at"]
    since = json.loads(hai("events", "--since", first, "-o", "json").out)
    before = json.loads(hai("events", "--until", first, "-o", "json").out)
    whole = json.loads(hai("events", "-o", "json", "--limit", str(len(since) + len(before))).out)
    assert {row["at"] >= first for row in since} == {True}
    assert {row["at"] < first for row in before} == {True}
    assert whole[: len(before)] == before
    assert json.loads(hai("events", "--until", "365d", "-o", "json").out) == []
    for wrong in (("--since", "soon"), ("--limit", "-1"), ("-f", "--until", "1h")):
        assert hai("events", *wrong).code == 2, wrong
    assert hai("events", "--since", "0001-01-01T00:00:00+14:00").code == 2
    assert hai("events", "--kind", "no.such").err == "no events of kind no.such\n"


def test_waiting_for_an_array(hai: Person) -> None:
    good = array_of(hai, "good", "0-3", "exit 0")
    done = hai("wait", f"{good}_[*]")
    assert (done.code, f"{good}_[*]: 4 succeeded" in done.err) == (0, True), done.err
    bad = array_of(hai, "bad", "0-4", "exit $((HAI_ARRAY_INDEX > 2 ? HAI_ARRAY_INDEX + 10 : 0))")
    done = hai("wait", "@last")
    assert (done.code, "3 succeeded, 2 failed" in done.err) == (13, True), done.err
    assert hai("wait", f"{bad}_[*]").code == 13, "it has ended already"
    assert hai("wait", f"{bad}_[0-2]").code == 0
    assert hai("wait", f"{bad}_[4]").code == 14
    assert hai("wait", f"{good}_[*]", f"{bad}_[4]", f"{bad}_[*]").code == 14
    one = array_of(hai, "single", "7", "exit 3")
    assert hai("wait", f"{one}_[*]").code == 3
    assert hai("wait", "999999_[*]").code == 3
    assert hai("wait", f"{bad}_[9]").code == 3
    assert hai("wait", f"{bad}_[4-1]").code == 2


def test_a_wait_for_an_array_ends_in_time(hai: Person, many: list[int]) -> None:
    done = hai("wait", f"{many[0]}_[*]", f"{many[0]}_[3]", "--timeout", "2s")
    assert (done.code, f"{MANY:,} not ended yet" in done.err) == (8, True), done.err


def test_the_output_of_an_array(hai: Person) -> None:
    array = array_of(hai, "talk", "0,2,5", "echo I am $HAI_ARRAY_INDEX; exit $HAI_ARRAY_INDEX")
    followed = hai("logs", "-f", f"{array}_[*]", "--exit-code")
    lines = [f"{array}_[{n}] I am {n}" for n in (0, 2, 5)]
    assert (followed.code, followed.out.splitlines()) == (2, lines), followed.err
    assert hai("logs", f"{array}_[2-5]").out.splitlines() == lines[1:]
    assert hai("logs", f"{array}_[5]").out == "I am 5\n"
    rows = json.loads(hai("logs", f"{array}_[*]", "-o", "json").out)
    assert [(row["member"], row["text"]) for row in rows] == [
        (f"{array}_[{n}]", f"I am {n}") for n in (0, 2, 5)
    ]
    assert hai("logs", "999999_[*]").code == 3


def test_the_state_of_an_array_and_its_members(hai: Person, many: list[int]) -> None:
    array = many[0]
    member = json.loads(hai("status", f"{array}_[700]", "-o", "json").out)
    assert (member["id"], member["array_index"]) == (many[700], 700)
    shown = hai("status", f"{array}_[*]")
    assert shown.out.startswith(f"{array}_[*]: ")
    counts = dict(
        part.split()[::-1] for part in shown.out.splitlines()[0].split(": ")[1].split(", ")
    )
    assert sum(int(count.replace(",", "")) for count in counts.values()) == MANY
    assert f"12 of {MANY:,} tasks" in shown.err
    assert ids_in("json", hai("status", f"{array}_[*]", "-o", "json").out) == many[::-1]
    assert ids_in("name", hai("status", f"{array}_[3-5]", "-q").out) == [
        many[5], many[4], many[3]
    ]  # fmt: skip
    for verb in ("describe", "why", "priority"):
        done = hai(verb, f"{array}_[*]", *(["LOW"] if verb == "priority" else []))
        assert (done.code, f"names {MANY:,} tasks" in done.err) == (2, True), done.err
    assert hai("status", f"{array}_[9999]").code == 3


def test_the_list_of_an_array_by_any_name_of_it(hai: Person) -> None:
    array = array_of(hai, "listed", "0-2", "exit 0")
    ids = [array + 2, array + 1, array]
    named = ("@last", str(array), str(array + 1), f"{array}_[*]", "listed_[1]", f"{array}_[2]")
    for name in named[:5]:
        assert ids_in("name", hai("list", "-q", "--array", name).out) == ids, name
    assert ids_in("name", hai("list", "-q", "--array", named[5]).out) == ids[:1]
    assert ids_in("name", hai("list", "-q", "--array", f"{array}_[0-1]").out) == ids[1:]
    assert hai("list", "--array", "999999").code == 3
    alone = hai.submit("alone.sh", "exit 0")
    done = hai("list", "--array", "@last")
    assert (done.code, f"task {alone} is no member of an array" in done.err) == (3, True)


def test_after_last_waits_for_the_whole_array(hai: Person) -> None:
    array = array_of(hai, "before", "0-2", "sleep 1000", "--array", "0-2")
    hai.live.script("after.sh", "exit 0")
    done = hai("bash", "after.sh", "--", "--name", "after", "--after", "@last", "-j")
    assert json.loads(done.out)["waits_for"] == [array, array + 1, array + 2]
    some = hai("bash", "after.sh", "--", "--name", "some", "--after", f"{array}_[0-1]", "-j")
    assert json.loads(some.out)["waits_for"] == [array, array + 1]
    assert hai("stop", f"{array}_[0-1]", "-y").code == 0
    left = hai("list", "-q", "--array", str(array), "--state", "queued,starting,running")
    assert ids_in("name", left.out) == [array + 2]
    stopped = hai("stop", f"{array}_[*]", "-y")
    assert stopped.code == 0, stopped.err


DOCUMENT = """\
version: 2
name: {name}
spec:
  entrypoint: {entry}
  workspace: {work}
  environments: {{V: 3.10, A: NO, D: 2026-01-02, T: 12:30:00, O: 010, U: 1_000, E: 1e3, N: ~, W: yes}}
resource: {{node_count: 1, group: training}}
options:
  retry: {{max: 2, on: [node_lost]}}
"""  # noqa: E501 (one line on purpose)


def run_document(hai: Person, name: str, change: tuple[str, str] = ("", "")) -> Result:
    text = DOCUMENT.format(name=name, entry="say.sh", work=hai.desk).replace(*change)
    (hai.desk / f"{name}.yaml").write_text(text)
    hai.live.script("say.sh", 'echo "$V $A $D $T $O $U $E $N $W"\n')
    return hai("run", f"{name}.yaml", "-f")


def test_text_arrives_as_it_was_written(hai: Person) -> None:
    done = run_document(hai, "written")
    assert done.code == 0, done.err
    assert done.out == "3.10 NO 2026-01-02 12:30:00 010 1_000 1e3 ~ yes\n"
    spec = json.loads(hai("describe", "written", "-o", "json").out)["spec"]
    assert spec["options"]["retry"] == {"max": 2, "on": ["node_lost"]}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("node_count: 1,", "node_count: 010,"), "line 7: resource.node_count"),
        (("node_count: 1,", "node_count: 1.0,"), "line 7: resource.node_count"),
        (("max: 2,", "max: 2, keep: no,"), "line 9: options.retry.keep"),
        (("max: 2,", "max: 2, big: .inf,"), "line 9: options.retry.big"),
        (("version: 2\n", "version: 2\nname: twice\n"), "line 3: the key 'name' is there twice"),
        (("options:\n", "options:\n\tx: 1\n"), "line 9"),
    ],
)
def test_what_has_no_one_reading_is_refused_by_its_line(
    hai: Person, change: tuple[str, str], told: str
) -> None:
    done = run_document(hai, "refused", change)
    assert (done.code, told in done.err) == (2, True), done.err
    assert hai("status", "refused").code == 3, "nothing was submitted"


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_numbers_that_are_none_are_refused(hai: Person, number: str) -> None:
    hai.live.script("none.sh", "exit 0")
    done = hai("bash", "none.sh", "--", "--name", "none", "--options", f"a.b={number}")
    assert (done.code, "options.a.b" in done.err) == (2, True), done.err
    body = json.dumps(hai.live.task("none", entrypoint="none.sh", options={"a": [{"b": "?"}]}))
    headers = {"Content-Type": "application/json"}
    with hai.live.client() as client:
        reply = client.post("/tasks", content=body.replace('"?"', number), headers=headers)
    assert (reply.status_code, "options.a[0].b" in reply.text) == (422, True), reply.text


def test_an_image_that_nobody_can_use_is_refused(hai: Person) -> None:
    hai.live.script("imaged.sh", "exit 0")
    for group, launcher in (("training", "local"), ("hollow", "hollow")):
        words = ("bash", "imaged.sh", "--", "--name", "imaged", "-g", group)
        done = hai(*words, "-i", "pytorch:2.1")
        assert done.code == 2, done.err
        assert "'pytorch:2.1'" in done.err
        assert f"launcher {launcher}" in done.err
        assert "write 'default'" in done.err
        assert hai(*words, "-i", "pytorch:2.1", "--dry-run").code == 2
    assert hai("status", "imaged").code == 3, "nothing was submitted"
    for image in ("default", ""):
        done = hai("bash", "imaged.sh", "--", "--name", "imaged", "-i", image, "-f")
        assert done.code == 0, done.err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_top_gives_the_terminal_back_when_it_is_ended(
    hai: Person, number: signal.Signals, tmp_path: Path
) -> None:
    pid_file = tmp_path / "pid"
    command = ["sh", "-c", f'echo $$ > {pid_file}; exec "$@"', "sh", *PROGRAM, "top", "--mouse"]
    with window(command, hai.environ()) as tmux:
        tmux.sees("live")
        assert (tmux.mode("alternate_on"), tmux.mode("mouse_any_flag")) == ("1", "1")
        signal_to(int(pid_file.read_text()), number)
        tmux.sees(f"ended with {128 + number}")
        assert (tmux.mode("alternate_on"), tmux.mode("mouse_any_flag")) == ("0", "0")
        assert tmux.mode("cursor_flag") == "1"
        tmux.types(*"echo still", "Enter")
        tmux.sees("still")


def signal_to(pid: int, number: signal.Signals) -> None:
    import os

    os.kill(pid, number)


def test_a_cut_off_list_is_no_json(live: Live, public_dir: Path) -> None:
    """A server that goes away between two pages: an error, and nothing that looks whole."""
    hai = Person(live)
    array_of(hai, "cut", "0-999", "exit 0", "--options", "x=1")
    with hai.start("list", "-o", "json") as process:
        assert process.stdout is not None
        process.stdout.read(1)
        live.kill()
        rest = process.stdout.read()
        code = process.wait(60)
    if code:  # it was quick enough to be cut off
        assert code == 7
        with pytest.raises(ValueError, match=r".*"):
            json.loads(b"[" + rest)
    else:
        assert len(json.loads(b"[" + rest)) == 1000
