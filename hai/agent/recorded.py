"""The environment that a task recorded when it was submitted."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_DIGITS = 16  # of the digest, in the name of a folder


class RecordedEnvironment:
    """`options.environment` of a document: the environment that every attempt of the task gets.

    `place` is where it stood at submission, `state` what that place must still be like for a
    program to run there, `sites` the folders of packages of which that is asked. `digest` is
    SHA-256 of the pack, `size` the bytes that it takes unpacked. `follows`: whatever stands at
    `place` is meant.
    """

    def __init__(self, options: dict[str, Any]) -> None:
        given = options["environment"]
        self.place = str(options["py_venv"])
        self.name = str(given["name"])
        self.owner = str(given["owner"])
        self.identity = str(given["identity"])
        self.follows = bool(given.get("follow"))
        self.pack = str(given.get("pack") or "")
        self.digest = str(given.get("digest") or "")
        self.size = int(given.get("bytes") or 0)
        self.state = str(given.get("state") or "")
        self.sites = [str(path) for path in given.get("sites") or []]

    @property
    def folder_name(self) -> str:
        """Of its copy: equal names are equal contents."""
        return f"{self.identity}-{self.digest[:_DIGITS]}"


def recorded_in(options: dict[str, Any]) -> RecordedEnvironment | None:
    """None where the task recorded no environment. KeyError, TypeError, ValueError: a bad one."""
    return RecordedEnvironment(options) if isinstance(options.get("environment"), dict) else None
