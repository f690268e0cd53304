"""The commands of hai-cli: known by the catalog, imported when they are called."""

import importlib
from itertools import groupby
from typing import Any

from typer.core import TyperGroup
from typer.main import get_command

from hai.cli.catalog import CATALOG, canonical
from hai.console.commands import HaiGroup


class LazyGroup(HaiGroup):
    """The root: knows its commands from the catalog and imports only the one that is called."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(CATALOG)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        name = canonical(cmd_name)
        if name in CATALOG and name not in self.commands:
            self.commands[name] = load_command(name)
        return self.commands.get(name)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        for section, entries in groupby(CATALOG.items(), key=lambda item: item[1].section):
            with formatter.section(section):
                formatter.write_dl([(name, entry.summary) for name, entry in entries])

    def shell_complete(self, ctx: Any, incomplete: str) -> Any:
        if incomplete.startswith("-"):
            return super(TyperGroup, self).shell_complete(ctx, incomplete)
        from typer._click.shell_completion import CompletionItem

        return [CompletionItem(name) for name in CATALOG if name.startswith(incomplete)]


def load_command(name: str) -> Any:
    """The command object of a catalog name; imports its module."""
    module = importlib.import_module(f"hai.cli.commands.{CATALOG[name].module}")
    command = get_command(module.app)
    children = getattr(command, "commands", {})
    return children.get(name, command)
