"""[docker]: when it is in force, and what is refused."""

from pathlib import Path

import pytest

from hai.errors import InvalidInput
from hai.settings import Settings, load_settings


def settings_of(tmp_path: Path, text: str) -> Settings:
    file = tmp_path / "override.toml"
    file.write_text(text)
    return load_settings(file)


def test_it_is_off_without_a_socket(tmp_path: Path) -> None:
    assert not load_settings().docker.is_enabled
    assert not settings_of(tmp_path, "[docker]\nnodes = 4\n").docker.is_enabled


@pytest.mark.parametrize("socket", ["/run/d.sock", "unix:///run/d.sock"])
def test_a_socket_by_path_or_as_docker_host_has_it(tmp_path: Path, socket: str) -> None:
    text = f'[server]\nhost = "0.0.0.0"\n[docker]\nsocket = "{socket}"\n'
    docker = settings_of(tmp_path, text).docker
    assert docker.is_enabled
    assert docker.socket_path == Path("/run/d.sock")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        pytest.param('socket = "tcp://10.0.0.1:2375"', "no unix socket", id="another machine"),
        pytest.param('network = "bridge"', "'own' or 'host'", id="network"),
        pytest.param("nodes = 0", "docker.nodes", id="no nodes"),
        pytest.param('node_prefix = "a b"', "cannot be part", id="prefix"),
        pytest.param('group = "a-b"', "no group name", id="group"),
        pytest.param('server_url = "ftp://x"', "no URL of a server", id="scheme"),
        pytest.param('mounts = { a = "b:c" }', "absolute paths", id="mounts"),
        pytest.param('variables = { "a b" = "c" }', "no name of an env", id="variables"),
        pytest.param('sock = "/run/d.sock"', "did you mean socket", id="typing mistake"),
    ],
)
def test_a_wrong_value_is_named(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        settings_of(tmp_path, f'[server]\nhost = "0.0.0.0"\n[docker]\n{text}\n')
    assert complaint in caught.value.message


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1"])
def test_a_server_that_containers_cannot_reach_is_refused(tmp_path: Path, host: str) -> None:
    text = f'[server]\nhost = "{host}"\n[docker]\nsocket = "/run/d.sock"\n'
    with pytest.raises(InvalidInput, match=r"cannot reach: set it to 0\.0\.0\.0"):
        settings_of(tmp_path, text)
    assert settings_of(tmp_path, f'{text}network = "host"\n').docker.is_enabled
    url = settings_of(tmp_path, f'{text}server_url = "http://10.0.0.1:80"\n').container_url
    assert url == "http://10.0.0.1:80"


def test_containers_find_the_server_by_their_gateway(tmp_path: Path) -> None:
    text = '[server]\nhost = "0.0.0.0"\nport = 81\n[docker]\nsocket = "/run/d.sock"\n'
    assert settings_of(tmp_path, text).container_url == "http://{gateway}:81"
    published = text.replace("[docker]", 'url = "http://10.0.0.1:80"\n[docker]')
    assert settings_of(tmp_path, published).container_url == "http://{gateway}:80"
