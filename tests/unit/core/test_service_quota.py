"""Which services rows allow."""

import pytest

from hai.core.service_quota import first_refused, resource_of
from hai.core.services import Service, ServiceType

WEB = Service("web", ServiceType.HTTP, 8000)
CACHE = Service("cache", ServiceType.TCP, 6379)
SYNC = Service("sync", ServiceType.LOCAL, None, startup_script="bash sync.sh")
OWN = {"web": WEB, "cache": CACHE, "sync": SYNC}


@pytest.mark.parametrize(
    ("rows", "refused"),
    [
        ({}, ""),
        ({"http:*": 0}, "web http:*"),
        ({"http:*": 0, "http:8000": 1}, ""),
        ({"http:*": 1, "http:8000": 0}, "web http:8000"),
        ({"http:9000": 1}, "web http:8000"),  # a list of ports
        ({"http:9000": 0}, ""),  # one port is taken away
        ({"tcp:*": 0}, "cache tcp:*"),
        ({"tcp:63790": 1}, "cache tcp:6379"),
        ({"local:*": 0}, "sync local:*"),
        ({"local:*": 1, "http:*": 1, "tcp:6379": 1}, ""),
        ({"http:*": 0, "tcp:*": 0}, "web http:*"),  # the first
    ],
)
def test_rows_decide_for_their_type(rows: dict[str, int], refused: str) -> None:
    amounts = {f"custom_service:{name}": amount for name, amount in rows.items()}
    found = first_refused(OWN.values(), amounts)
    told = "" if found is None else f"{found[0].name} {found[1].partition(':')[2]}"
    assert told == refused


def test_built_in_ones_need_no_row() -> None:
    nothing = {f"custom_service:{kind}:*": 0 for kind in ServiceType}
    assert first_refused([Service("jupyter"), Service("ssh")], nothing) is None


def test_each_service_has_a_row_of_its_own() -> None:
    assert [resource_of(one) for one in OWN.values()] == [
        "custom_service:http:8000",
        "custom_service:tcp:6379",
        "custom_service:local:*",
    ]
