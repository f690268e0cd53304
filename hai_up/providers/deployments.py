"""The providers that a configuration file describes: the same commands, whatever is behind them."""

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, Protocol

from hai_up.checks import Check
from hai_up.choice import COMPOSE, K8S
from hai_up.last import LastPlatform

Say = Callable[[str], None]


class Deployment(Protocol):
    """What hai-up does with a platform that config.sh describes (`values`), or with that of the
    last run (`last`)."""

    def run(self, values: Mapping[str, str], *, is_sure: bool, say: Say) -> None: ...
    def config_template(self, say: Say) -> str: ...
    def show_plan(self, values: Mapping[str, str], out: Path | None, say: Say) -> None: ...
    def check_config(self, text: str) -> None: ...
    def checks(self, values: Mapping[str, str], only: Collection[str] = ()) -> list[Check]: ...
    def status(self, last: LastPlatform) -> dict[str, Any]: ...
    def show_log(self, last: LastPlatform, *, tail: int, follow: bool) -> None: ...
    def show_paths(self, last: LastPlatform) -> None: ...
    def down(self, last: LastPlatform, *, seconds: float, say: Say) -> None: ...
    def purge(self, last: LastPlatform, *, is_sure: bool, say: Say) -> None: ...


def deployment(provider: str) -> Deployment:
    """Imported late: each has libraries of its own."""
    if provider == K8S:
        from hai_up.providers import on_kubernetes

        return on_kubernetes
    if provider == COMPOSE:
        from hai_up.providers import on_compose

        return on_compose
    raise ValueError(provider)
