"""The client's end of a channel into a running task."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING
from urllib.parse import quote

from hai.agent.channel import websocket
from hai.client.plain import error_from_body, no_server, timed_out, unreachable

if TYPE_CHECKING:
    from hai.agent.channel.websocket import WebSocket
    from hai.client.profile import Profile

OPEN_SECONDS = 40.0  # the server gives the agent 15


def connect(profile: Profile, ref: str, rank: int, timeout_seconds: float) -> WebSocket:
    """Into one rank of a task. Every failure is a HaiError."""
    url = profile.require_url()
    headers = {"Authorization": f"Bearer {profile.require_token()}"}
    path = f"/api/v1/tasks/{quote(ref, safe='')}/channel?rank={rank}"
    try:
        return websocket.connect(url, path, headers, timeout_seconds)
    except websocket.Refused as error:
        raise error_from_body(error.status, error.body, url) from None
    except TimeoutError:
        raise timed_out(url, timeout_seconds) from None
    except ssl.SSLError as error:
        raise unreachable(url, error.reason or error) from None
    except OSError as error:
        raise unreachable(url, (error.strerror or str(error)).lower()) from None
    except ValueError as error:
        raise no_server(url, str(error)) from None
