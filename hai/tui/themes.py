"""Colours by role. The normal themes use the Okabe-Ito colours, which colour-blind people can tell
apart; "mono" has none at all, for NO_COLOR. No colour says anything that the text does not."""

from dataclasses import dataclass, replace

from rich.style import Style
from textual.theme import BUILTIN_THEMES, Theme

DARK = {
    "": "#d8dee4",
    "dim": "#8b949e",
    "faint": "#4b5360",
    "title": "bold #e6edf3",
    "head": "bold #8b949e",
    "key": "bold #56b4e9",
    "run": "#2fc79a",
    "start": "#56b4e9",
    "wait": "#f0e442",
    "held": "#cc79a7",
    "warn": "#e69f00",
    "bad": "bold #ff7043",
    "mine": "bold #ffffff",
    "match": "black on #f0e442",
    "found": "black on #e69f00",
    "cursor": "on #23405c",
    "cell": "bold reverse",
    "mark": "bold #f0e442",
    "strip": "on #161b22",
    "alert": "bold black on #e69f00",
    "badge": "bold black on #cc79a7",
}
LIGHT = {
    "": "#1f2328",
    "dim": "#59636e",
    "faint": "#b6bec8",
    "title": "bold #1f2328",
    "head": "bold #59636e",
    "key": "bold #005a8c",
    "run": "#00704f",
    "start": "#005a8c",
    "wait": "#7a6400",
    "held": "#9c3f75",
    "warn": "#9a5b00",
    "bad": "bold #b23c00",
    "mine": "bold #000000",
    "match": "black on #f0e442",
    "found": "black on #e69f00",
    "cursor": "on #cfe3f5",
    "cell": "bold reverse",
    "mark": "bold #7a6400",
    "strip": "on #eef1f4",
    "alert": "bold black on #e69f00",
    "badge": "bold white on #9c3f75",
}
MONO = {
    "": "",
    "dim": "dim",
    "faint": "dim",
    "title": "bold",
    "head": "bold",
    "key": "bold",
    "bad": "bold",
    "mine": "bold",
    "match": "reverse",
    "found": "reverse bold",
    "cursor": "reverse",
    "cell": "bold reverse",
    "mark": "bold",
    "alert": "reverse bold",
    "badge": "reverse",
}
_USERS_DARK = (
    "#56b4e9", "#e69f00", "#2fc79a", "#cc79a7", "#f0e442", "#ff7043", "#9ecbff", "#b8b8b8",
)  # fmt: skip
_USERS_LIGHT = (
    "#005a8c", "#9a5b00", "#00704f", "#9c3f75", "#7a6400", "#b23c00", "#3a4ea8", "#555555",
)  # fmt: skip

THEMES = {
    "hai-dark": Theme(
        name="hai-dark", primary="#56b4e9", background="#0d1117", surface="#161b22",
        panel="#21262d", foreground="#d8dee4", dark=True,
    ),
    "hai-light": Theme(
        name="hai-light", primary="#005a8c", background="#ffffff", surface="#eef1f4",
        panel="#d9dee3", foreground="#1f2328", dark=False,
    ),
    # The terminal's own colours; NO_COLOR takes even those out.
    "hai-mono": replace(BUILTIN_THEMES["ansi-dark"], name="hai-mono"),
}  # fmt: skip
ALL_THEMES = {**THEMES, **BUILTIN_THEMES}


@dataclass(frozen=True, slots=True, eq=False)
class Painter:
    """Styles by role; unknown roles are plain."""

    styles: dict[str, Style]

    def __call__(self, role: str) -> Style:
        found = self.styles.get(role)
        if found is None and ">" in role:
            return self.over(*role.split(">", 1))
        return self.styles[""] if found is None else found

    def over(self, role: str, ground: str) -> Style:
        """A role on the ground of another one, made once; "role>ground" as a role is the same."""
        key = f"{role}>{ground}"
        found = self.styles.get(key)
        if found is None:
            own, below = self(role), self(ground)
            if ground == "cell":  # reversed, whatever it is
                found = own + Style(reverse=True, bold=True)
            elif own.bgcolor != self("").bgcolor:  # it has a ground of its own: a match, a badge
                found = own
            else:
                found = own + Style(bgcolor=below.bgcolor, reverse=below.reverse)
            self.styles[key] = found
        return found


def painter(theme: str) -> Painter:
    """For one of ALL_THEMES: Textual's have their own ground under our dark or light colours."""
    chosen = ALL_THEMES[theme]
    roles = DARK if chosen.dark else LIGHT
    users = list(_USERS_DARK if chosen.dark else _USERS_LIGHT)
    if theme == "hai-mono":
        roles, users = MONO, [""] * len(users)
    named = {**roles, **{f"user{number}": colour for number, colour in enumerate(users)}}
    base = Style.parse(named[""])
    if not chosen.ansi:
        base += Style(bgcolor=chosen.to_color_system().generate()["background"])
    return Painter({role: base + Style.parse(text) for role, text in named.items()})
