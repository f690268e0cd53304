"""What the templates make is what their readers understand."""

import tomllib
from pathlib import Path

import jinja2
import pytest

from hai.settings import load_settings
from hai_up.config import Options, given_in_file, parse_config, warnings_of
from hai_up.plan import Facts, plan_local
from hai_up.render import render, toml_value

OPTIONS = Options(Path("/d"), "127.0.0.1", 7420, 4, 8, 0, user="ada", group="training")


@pytest.mark.parametrize(
    "value",
    [
        *(
            "plain",
            'quo"te',
            "back\\slash",
            "ü 🎓",
            "\x7f\x01\n",
            True,
            False,
            3,
            0.25,
            ["a", 1],
            "",
        ),
        {},
        {"a b": {"c.d": [{"e": 1}, {}], 'q"': "x"}, "": False},
    ],
)
def test_toml_values_come_back(value: object) -> None:
    assert tomllib.loads(f"x = {toml_value(value)}") == {"x": value}


def test_the_server_reads_the_rendered_settings(tmp_path: Path) -> None:
    url = "postgresql:///hai?host=/tmp/ü&user='x'"
    plan = plan_local(OPTIONS, Facts(cpus=1, memory_bytes=1), url)
    sections = {**plan.settings, "suspend": {"grace_seconds": 90.0}}
    path = tmp_path / "override.toml"
    path.write_text(render("override.toml.j2", sections=sections))
    settings = load_settings(path)
    assert settings.store.url.get_secret_value() == url
    assert settings.server.port == 7420
    assert settings.suspend.grace_seconds == 90.0
    assert settings.data_dir == Path("/d")


def test_the_config_template_is_a_config_file_without_warnings() -> None:
    text = render(
        "config.sh.j2",
        host="127.0.0.1",
        port=1,
        nodes=2,
        gpus_per_node=3,
        hollow_nodes=4,
        studio_port=8081,
        group="training",
        user="ada",
    )
    values = parse_config(text, {})
    assert warnings_of(values) == []
    given = given_in_file(values)
    assert (given.port, given.nodes, given.gpus_per_node, given.hollow_nodes) == (1, 2, 3, 4)


def test_a_missing_value_is_an_error() -> None:
    with pytest.raises(jinja2.UndefinedError):
        render("config.sh.j2", host="127.0.0.1")
