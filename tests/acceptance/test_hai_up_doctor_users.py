"""What doctor says of users whom a server that is root refuses."""

import os

import psycopg
import pytest

from hai_up.database import OwnDatabase
from hai_up.layout import Layout
from tests.machine import Machine, machine

pytestmark = [
    pytest.mark.acceptance,
    pytest.mark.skipif(os.geteuid() != 0, reason="only a server that is root needs Unix users"),
]

__all__ = ["machine"]  # the fixture


def test_doctor_names_users_without_a_unix_user(machine: Machine) -> None:
    """As they come from the backup of a platform that was not root."""
    machine.up()
    machine.ask("POST", "users", json={"name": "ben", "uid": 4321})
    assert "each of the 2 users has a Unix user" in machine.do("doctor", "--only", "users")[0]
    with psycopg.connect(OwnDatabase(Layout(machine.data)).start()) as connection:
        connection.execute("UPDATE users SET uid = NULL WHERE name = 'ben'")
    said = machine.do("doctor", "--only", "users")[0]
    assert "no Unix user: ben; the server refuses their tasks" in said
    assert "hai-cli users set ben --uid UID" in said
    machine.ask("PATCH", "users/ben", json={"uid": 4321})
    assert "no Unix user" not in machine.do("doctor", "--only", "users")[0]
