"""The client's end of a channel into a running task."""

from __future__ import annotations

import os
import ssl
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from hai.agent.channel import websocket
from hai.client.plain import error_from_body, no_server, timed_out, unreachable
from hai.client.profile import LOOPBACK

if TYPE_CHECKING:
    from hai.agent.channel.websocket import WebSocket
    from hai.client.profile import Profile

_PROXIES = {"http": ("http_proxy", "HTTP_PROXY"), "https": ("https_proxy", "HTTPS_PROXY")}
OPEN_SECONDS = 40.0  # the server gives the agent 15


def connect(profile: Profile, ref: str, rank: int, timeout_seconds: float) -> WebSocket:
    """Into one rank of a task. Every failure is a HaiError."""
    url = profile.require_url()
    headers = {"Authorization": f"Bearer {profile.require_token()}"}
    path = f"/api/v1/tasks/{quote(ref, safe='')}/channel?rank={rank}"
    try:
        return websocket.connect(url, path, headers, timeout_seconds, _proxy_for(url))
    except websocket.ChannelRefused as error:
        raise error_from_body(error.status, error.body, url) from None
    except TimeoutError:
        raise timed_out(url, timeout_seconds) from None
    except ssl.SSLError as error:
        raise unreachable(url, error.reason or error) from None
    except OSError as error:
        raise unreachable(url, (error.strerror or str(error)).lower()) from None
    except ValueError as error:
        raise no_server(url, str(error)) from None


def _proxy_for(url: str) -> str:
    """The proxy that the environment names for this server; "" for none. One from the environment
    is never meant for this machine."""
    parts = urlsplit(url)
    names = (*_PROXIES[parts.scheme], "all_proxy", "ALL_PROXY")
    proxy = next((os.environ[name] for name in names if os.environ.get(name)), "")
    if not proxy or parts.hostname in LOOPBACK:
        return ""
    from urllib.request import proxy_bypass

    if proxy_bypass(parts.netloc.rpartition("@")[2]):
        return ""
    proxy = proxy if "://" in proxy else f"http://{proxy}"
    if not proxy.startswith("http://"):
        raise unreachable(url, f"channels go through http:// proxies, not {proxy.split(':')[0]}://")
    return proxy
