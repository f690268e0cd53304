"""What the documents promise to list is listed."""

from pathlib import Path

import pytest
import yaml

from hai.schema.submission import Submission
from hai.settings import Settings

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
