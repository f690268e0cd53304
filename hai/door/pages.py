"""What the door itself says: short pages, in words."""

from dataclasses import dataclass
from html import escape

from hai.door.heads import Asked, Headers

_PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>{again}
<style>body{{font:16px/1.5 system-ui,sans-serif;max-width:36em;margin:15vh auto;padding:0 1em}}
code{{background:#8882;padding:.1em .3em}}</style></head>
<body><h1>{title}</h1><p>{text}</p></body></html>
"""
_AGAIN_SECONDS = 3


@dataclass(eq=False)
class Said(Exception):
    """The door answers itself. `command`: what helps."""

    status: int
    title: str
    text: str
    command: str = ""
    is_temporary: bool = False

    def answer(self, asked: Asked) -> tuple[Headers, bytes]:
        """Headers and body; a page for people, a line for programs."""
        headers: Headers = [
            (b"cache-control", b"no-store"),
            (b"referrer-policy", b"no-referrer"),
            (b"x-content-type-options", b"nosniff"),
            (b"content-security-policy", b"default-src 'none'; style-src 'unsafe-inline'"),
        ]
        if asked.is_page:
            body = self._page().encode()
            headers.append((b"content-type", b"text/html; charset=utf-8"))
        else:
            hint = f" ({self.command})" if self.command else ""
            body = f"{self.title}: {self.text}{hint}\n".encode()
            headers.append((b"content-type", b"text/plain; charset=utf-8"))
        if self.is_temporary:
            headers.append((b"retry-after", b"%d" % _AGAIN_SECONDS))
        headers.append((b"content-length", b"%d" % len(body)))
        return headers, body

    def _page(self) -> str:
        again = f'<meta http-equiv="refresh" content="{_AGAIN_SECONDS}">'
        text = escape(self.text)
        if self.command:
            text += f"<p><code>{escape(self.command)}</code>"
        title = escape(self.title)
        return _PAGE.format(title=title, text=text, again=again if self.is_temporary else "")


def not_entered() -> Said:
    """The same for everybody who has no session here, whether there is such a service or not."""
    return Said(
        403,
        "You have not entered here",
        "A dev container or a service opens for its owner, from the command line:",
        "hai-cli dev open NAME",
    )
