"""The command palette (ctrl-p): the actions of the screen, found by what they do."""

from collections.abc import Callable
from functools import partial

from textual.command import DiscoveryHit, Hit, Hits, Provider

from hai.tui.commands import SUMMARIES
from hai.tui.keys import key_text
from hai.tui.screens.view import View


class ActionCommands(Provider):
    """One entry per action and per command."""

    def _entries(self) -> list[tuple[str, str, Callable[[], object]]]:
        view = self.screen
        if not isinstance(view, View):
            return []
        entries: list[tuple[str, str, Callable[[], object]]] = [
            (action.help, key_text(action.key), partial(view.perform, action))
            for action in view.actions
        ]
        commands = ("cluster", "queue", "users", "events", "quit")
        return entries + [
            (SUMMARIES[c], "command", partial(view.hai.run_command, c)) for c in commands
        ]

    async def discover(self) -> Hits:
        for text, key, run in self._entries():
            yield DiscoveryHit(text, run, help=key)

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        for text, key, run in self._entries():
            score = matcher.match(text)
            if score > 0:
                yield Hit(score, matcher.highlight(text), run, help=key)
