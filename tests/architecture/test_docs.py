"""What the documents promise to list is listed."""

from pathlib import Path

import pytest
import yaml

from hai.schema.submission import Submission
from hai.settings import Settings
from scripts.wrap_docs import COLUMNS, documents, is_free, prose, wrapped

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("section", sorted(Settings.model_fields))
def test_every_setting_is_documented_with_its_default(section: str) -> None:
    text = (ROOT / "docs" / "configuration.md").read_text()
    _, found, rest = text.partition(f"### [{section}]\n")
    assert found
    table = rest.partition("\n#")[0]
    rows = [line.split("|") for line in table.splitlines() if line.startswith("| `")]
    listed = {row[1].strip(" `*\\"): row[2].strip(" `") for row in rows}
    values = getattr(Settings(), section)
    assert set(listed) == set(type(values).model_fields)
    for key, default in listed.items():
        value = getattr(values, key)
        if isinstance(value, bool):
            value = str(value).lower()
        hidden = hasattr(value, "get_secret_value")
        shown = value.get_secret_value() if hidden else value
        assert default == ("" if shown is None else str(shown)), key


def test_the_run_document_of_the_manual_is_one() -> None:
    text = (ROOT / "docs" / "run-yaml.md").read_text()
    document = yaml.safe_load(text.partition("```yaml\n")[2].partition("```")[0])
    submission = Submission.model_validate(document)
    assert submission.resource.node_count == 2


def test_the_changelog_begins_with_what_is_unreleased() -> None:
    lines = (ROOT / "CHANGELOG.md").read_text().splitlines()
    assert next(line for line in lines if line.startswith("## ")) == "## Unreleased"


@pytest.mark.parametrize("path", documents(), ids=lambda path: path.name)
def test_lines_of_documents_fit_a_terminal(path: Path) -> None:
    text = path.read_text()
    assert wrapped(text) == text, "run: .venv/bin/python -m scripts.wrap_docs"
    long = [
        line
        for is_prose, block in prose(text)
        for line in block
        if is_prose and len(line) > COLUMNS and not is_free(line)
    ]
    assert long == []


def test_wrapping_keeps_what_is_no_prose() -> None:
    words = "word " * 40
    kept = f"# {words}\n\n| {words}|\n\n    {words}\n\n```\n{words}\n```\n"
    assert wrapped(kept) == kept
    item = f"- first - {words}\n  and `more`\n- second\n"
    lines = wrapped(item).splitlines()
    assert [len(line) <= COLUMNS for line in lines] == [True] * len(lines)
    assert [line[:2] for line in lines] == ["- ", "  ", "  ", "- "]
    assert " ".join(lines).split() == item.split()


def test_every_package_has_its_line_in_the_architecture() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    packages = [
        f"hai.{path.parent.name}" for path in sorted((ROOT / "hai").glob("*/__init__.py"))
    ] + ["hai_up", "haienv", "haiworkspace"]
    rooms = [line for line in text.splitlines() if line.startswith("| `")]
    assert len(packages) > 20
    assert [one for one in packages if not any(f"`{one}`" in line for line in rooms)] == []


def test_the_glossary_is_short() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    table = text.partition("### Its words\n")[2].partition("\n## ")[0]
    rows = [line for line in table.splitlines() if line.startswith("| ")][1:]
    assert 10 < len(rows) <= 30


def test_plain_english_says_cannot() -> None:
    found = [
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for folder in ("docs", "hai", "hai_up", "haienv", "haiworkspace", "templates")
        for kind in ("*.md", "*.py", "*.sh")
        for path in sorted((ROOT / folder).rglob(kind))
        for line in path.read_text().splitlines()
        if "can not " in line.lower()
    ]
    assert found == []
