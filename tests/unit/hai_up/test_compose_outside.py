"""Databases and buses that somebody else runs, looked at before anything is changed."""

import socket

import psycopg
import pytest

from hai_up.compose.options import EVERYWHERE, compose_options
from hai_up.providers.compose.outside import bus_check, database_check
from tests.conftest import PostgresServer

_HERE = "127.0.0.1"


def checked(**values: str) -> dict[str, tuple[str, str]]:
    options = compose_options({"BASE_IMAGE": "hai:1", **values})
    found = (database_check(options), bus_check(options))
    return {one.name: (one.status, f"{one.text} {one.fix}") for one in found if one is not None}


def test_nothing_to_look_at() -> None:
    assert checked() == {}


@pytest.mark.parametrize("host", ["localhost", _HERE])
def test_a_containers_localhost_is_its_own(host: str) -> None:
    found = checked(
        HAI_DATABASE_URL=f"postgresql://me:planted@{host}/hai", HAI_BUS_URL=f"redis://{host}"
    )
    assert {status for status, _ in found.values()} == {"fail"}
    assert all("the container itself" in text for _, text in found.values())


def test_a_bus_that_is_there_and_one_that_is_not() -> None:
    with socket.create_server((_HERE, 0)) as listener:
        port = listener.getsockname()[1]
        url = f"redis://:planted@{EVERYWHERE}:{port}/0"  # to which one can connect on Linux
        assert checked(HAI_BUS_URL=url)["bus"][0] == "ok"
    status, text = checked(HAI_BUS_URL=url)["bus"]
    assert status == "fail"
    assert "nothing answers" in text
    assert "planted" not in text


def test_a_database_that_refuses_tells_no_password() -> None:
    status, text = checked(HAI_DATABASE_URL="postgresql://me:planted@db.invalid/hai")["database"]
    assert status == "fail"
    assert "refuses" in text
    assert "planted" not in text


def test_a_database_that_answers(postgres_server: PostgresServer) -> None:
    """By its socket: the name stands for another machine's."""
    with postgres_server.database() as url:
        with psycopg.connect(url) as connection:
            info = connection.info
            text = f"postgresql://{info.user}@db.example/{info.dbname}?host={info.host}"
        assert checked(HAI_DATABASE_URL=text)["database"][0] == "ok"
