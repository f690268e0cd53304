"""What goes through the door of a head, and which names services have."""

import pytest

from hai.core.services import Service, ServicePlace, label_of, parse_label, services_of
from hai.core.types import TaskId, UserName
from hai.door.addresses import Entrance
from hai.door.heads import Asked, answer_headers, cookies, request_head, safe_path
from tests.factories import task

ENTRANCE = Entrance(ServicePlace(TaskId(3), "board"), "https://board-3-ada.apps.example")


def sent(*headers: tuple[bytes, bytes], target: bytes = b"/x", rewrite: bool = False) -> bytes:
    asked = Asked("GET", target, list(headers))
    service = Service("board", port=6006, rewrite_uri=rewrite)
    return request_head(asked, ENTRANCE, task(user="ada", name="run 1"), service, [])


def test_cookies_of_ours_are_taken_out_wherever_they_stand() -> None:
    head = sent((b"cookie", b"a=1; __Host-hai_door=s; b=2"), (b"cookie", b"hai_door_7=x; c=3"))
    assert b"cookie: a=1; b=2; c=3\r\n" in head
    assert b"hai_door" not in head
    assert b"cookie" not in sent((b"cookie", b"HAI_DOOR=1"))
    assert b"cookie" not in sent((b"cookie", b"hai_studio=of-a-page-on-this-host"))
    asked = Asked("GET", b"/", [(b"cookie", b"hai_door_8=no; hai_door=one; hai_door=two")])
    assert cookies(asked, "hai_door") == ["one", "two"]


@pytest.mark.parametrize("kind", [b"hai_", b"haiw_", b"haic_"])
def test_no_token_of_the_platform_leaves(kind: bytes) -> None:
    assert b"authorization" not in sent((b"authorization", b"BEARER " + kind + b"secret"))
    assert b"authorization: Bearer own" in sent((b"authorization", b"Bearer own"))


@pytest.mark.parametrize(
    ("target", "told"),
    [
        (b"/ada/run%201/board", b"/"),
        (b"/ada/run%201/board/a?b", b"/a?b"),
        (b"/ada/run%201/board?b", b"/?b"),
        (b"/ada/run%201/boards", b"/ada/run%201/boards"),
        (b"/else", b"/else"),
    ],
)
def test_the_prefix_is_rewritten_only_where_it_is_one(target: bytes, told: bytes) -> None:
    assert sent(target=target, rewrite=True).startswith(b"GET " + told + b" HTTP/1.1\r\n")
    assert sent(target=target).startswith(b"GET " + target + b" HTTP/1.1\r\n")


def test_an_answer_cannot_set_what_is_not_its_own() -> None:
    given = [
        (b"Set-Cookie", b"a=1; DOMAIN=apps.example; Secure"),
        (b"Set-Cookie", b"__Secure-hai_door=1"),
        (b"Connection", b"x-hop"),
        (b"X-Hop", b"1"),
        (b"Content-Security-Policy", b"sandbox"),
    ]
    kept = answer_headers(given)
    assert [value for name, value in kept if name == b"set-cookie"] == [b"a=1; Secure"]
    assert b"x-hop" not in dict(kept)
    policies = [value for name, value in kept if name == b"content-security-policy"]
    assert policies == [b"sandbox", b"frame-ancestors 'self'"], "both are in force"


@pytest.mark.parametrize(
    ("asked", "path"),
    [
        ("/lab", "/lab"),
        ("/a?b=1#c", "/a?b=1#c"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("https://evil.example", "/"),
        ("", "/"),
        ("/a\r\nx: y", "/"),
    ],
)
def test_a_code_leads_to_a_path_here(asked: str, path: str) -> None:
    assert safe_path(asked) == path


@pytest.mark.parametrize("user", ["ada", "Ada.L", "a_b-9", "x" * 63])
@pytest.mark.parametrize("service", ["jupyter", "tensor-board", "a1-b2"])
def test_labels_are_read_in_one_way(service: str, user: str) -> None:
    label = label_of(service, TaskId(123), UserName(user))
    assert len(label) <= 63
    assert label == label.lower()
    assert parse_label(label) == ServicePlace(TaskId(123), service)


@pytest.mark.parametrize("label", ["", "12-ada", "a-b", "a-12", "a-12-", "-a-1-x", "a" * 64])
def test_other_names_are_no_service_s(label: str) -> None:
    assert parse_label(label) is None


def test_the_program_of_a_dev_container_is_a_service() -> None:
    board = {"name": "board", "port": 1, "type": "tcp", "rank": [0]}
    found = services_of({"task_type": "jupyter", "services": [board]})
    assert [one.name for one in found] == ["jupyter", "board"]
    assert services_of({"task_type": "training"}) == ()
