"""All that the dashboard uses of Textual beyond its public names, because nothing public does it.

Checked with Textual 8.2.8 and newer, below 9: tests/tui/test_textual_private.py holds this range,
tries each of the names, and sees to it that no other module has any.
"""

import traceback
from typing import Any

from rich.text import Text
from textual.app import App


class PlainTracebacks(App[None]):
    """A bug is told by its traceback without local variables, which may hold secrets."""

    def _fatal_error(self) -> None:
        self.panic(Text(traceback.format_exc()))


def toggle_mouse(app: App[Any]) -> bool:
    """Let the terminal report the mouse, or keep it for selecting text; whether it reports now."""
    driver: Any = app._driver  # the drivers for terminals have it, those for the browser do not
    is_on = not getattr(driver, "_mouse", False)
    if not is_on:
        driver._disable_mouse_support()
    driver._mouse = is_on
    if is_on:
        driver._enable_mouse_support()
    return is_on
