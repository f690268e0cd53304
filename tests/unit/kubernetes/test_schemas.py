"""Manifests against the API's published schemas, where an unknown field is an error too.

The package has those of 1.25 to 1.37. That of 1.20 is asked of a server of 1.20:
tests/kubernetes/test_schemas.py.
"""

from typing import Any

import kubernetes_validate
import pytest

from hai.kubernetes.manifests import pod
from tests.unit.kubernetes.variants import CONFIG_MAP, IMAGE_VOLUME, documents

OLDEST, TODAY = "1.25", "1.37"
DOCUMENTS = documents()


def check(document: dict[str, Any], version: str) -> None:
    assert kubernetes_validate.validate(document, version, strict=True) == version


@pytest.mark.parametrize("version", [OLDEST, TODAY])
@pytest.mark.parametrize("name", DOCUMENTS)
def test_manifests_are_of_the_published_schema(name: str, version: str) -> None:
    check(DOCUMENTS[name], version)


def test_image_volumes_are_of_the_schema_that_has_them() -> None:
    check(pod(IMAGE_VOLUME), TODAY)
    with pytest.raises(kubernetes_validate.ValidationError, match="image"):
        check(pod(IMAGE_VOLUME), OLDEST)


def test_a_wrong_field_and_a_wrong_type_are_found() -> None:
    document = pod(CONFIG_MAP)
    document["spec"]["containers"][0]["imagePolicy"] = "Always"
    with pytest.raises(kubernetes_validate.ValidationError, match="imagePolicy"):
        check(document, TODAY)
    document = pod(CONFIG_MAP)
    document["spec"]["terminationGracePeriodSeconds"] = 1.5
    with pytest.raises(kubernetes_validate.ValidationError, match="integer"):
        check(document, TODAY)
