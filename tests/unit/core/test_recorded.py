"""The record of an environment in a submission: whole, or refused with the next command."""

from typing import Any

import pytest

from hai.core.recorded import check_recorded, recorded_name

WHOLE: dict[str, Any] = {
    "name": "vision",
    "owner": "ann",
    "identity": "0123456789ab",
    "follow": False,
    "pack": "/envs/ann/.packs/0123456789ab.tar.gz",
    "digest": "0" * 64,
    "bytes": 10,
    "state": "f" * 64,
    "sites": ["/envs/ann/vision/lib/python3.11/site-packages"],
}
PROMISED = {key: value for key, value in WHOLE.items() if key not in ("digest", "bytes")}
FOLLOWED = {**{key: WHOLE[key] for key in ("name", "owner", "identity")}, "follow": True}


def options(recorded: object, venv: object = "/envs/ann/vision") -> dict[str, Any]:
    return {"py_venv": venv, "environment": recorded}


@pytest.mark.parametrize(
    "good", [{}, {"py_venv": "/venv"}, options(WHOLE), options(PROMISED), options(FOLLOWED)]
)
def test_a_whole_record_or_none(good: dict[str, Any]) -> None:
    check_recorded(good)


@pytest.mark.parametrize(
    "bad",
    [
        {"py_venv": "vision"},
        {"py_venv": 7},
        options(WHOLE, ""),
        options(WHOLE, None),
        options("vision"),
        options([]),
        options({}),
        options({**WHOLE, "more": 1}),
        options({**WHOLE, "follow": True}),
        options({**FOLLOWED, "follow": False}),
        options({**FOLLOWED, "follow": 1}),
        *(options({key: value for key, value in WHOLE.items() if key != gone}) for gone in WHOLE),
        options({**WHOLE, "name": "a\nb"}),
        options({**WHOLE, "identity": "../../../../x"}),
        options({**WHOLE, "identity": "0123456789ab\n"}),
        options({**WHOLE, "pack": "relative"}),
        options({**WHOLE, "pack": "/" + "x" * 5000}),
        options({**WHOLE, "digest": "G" * 64}),
        options({**WHOLE, "bytes": -1}),
        options({**WHOLE, "bytes": True}),
        options({**WHOLE, "bytes": 2**60}),
        options({**WHOLE, "state": 0}),
        options({**WHOLE, "sites": ["/a"] * 100}),
        options({**WHOLE, "sites": ["a"]}),
    ],
)
def test_what_is_not_whole_is_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="environment"):
        check_recorded(bad)


def test_what_people_read() -> None:
    assert recorded_name(options(WHOLE)) == "vision[ann] 0123456789ab"
    assert recorded_name(options(FOLLOWED)) == "vision[ann] 0123456789ab, follows"
    assert recorded_name({"py_venv": "/venv"}) == ""
