"""The client against a real API server."""

import asyncio
from contextlib import suppress
from pathlib import Path

import pytest
import yaml

from hai.errors import AuthRequired, Conflict, Denied, InvalidInput, NotFound, Unavailable
from hai.kubernetes.client import JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH, KubernetesClient
from hai.kubernetes.errors import AlreadyExists, Expired
from hai.kubernetes.paths import core
from tests.kubernetes.testbed import Cluster
from tests.waiting import async_wait_until


def config_map(name: str, **data: str) -> dict[str, object]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "labels": {"app": "hai"}},
        "data": data,
    }


async def test_objects_are_created_read_changed_and_deleted(
    client: KubernetesClient, namespace: str
) -> None:
    path = core("configmaps", namespace)
    one = core("configmaps", namespace, "one")
    made = await client.create(path, config_map("one", a="1"))
    assert made["metadata"]["uid"]
    assert (await client.get(one))["data"] == {"a": "1"}

    await client.patch(one, {"data": {"b": "2"}}, MERGE_PATCH)
    await client.patch(one, {"data": {"c": "3"}}, STRATEGIC_PATCH)
    changed = await client.patch(
        one, [{"op": "replace", "path": "/data/a", "value": "0"}], JSON_PATCH
    )
    assert changed["data"] == {"a": "0", "b": "2", "c": "3"}

    await client.delete(one, uid=made["metadata"]["uid"])
    with pytest.raises(NotFound, match="cannot get configmaps one in namespace"):
        await client.get(one)
    with pytest.raises(NotFound):
        await client.delete(one)
    assert await client.get_or_none(one) is None


async def test_apply_makes_and_changes_and_keeps_what_others_own(
    client: KubernetesClient, namespace: str
) -> None:
    one = core("configmaps", namespace, "one")
    await client.apply(one, config_map("one", a="1", b="2"), manager="hai")
    await client.patch(one, {"data": {"theirs": "x"}})
    applied = await client.apply(one, config_map("one", a="9"), manager="hai")
    assert applied["data"] == {"a": "9", "theirs": "x"}
    again = await client.apply(one, config_map("one", a="9"), manager="hai")
    assert again["metadata"]["resourceVersion"] == applied["metadata"]["resourceVersion"]


async def test_apply_without_force_does_not_take_a_field_of_another(
    client: KubernetesClient, namespace: str
) -> None:
    one = core("configmaps", namespace, "one")
    await client.apply(one, config_map("one", a="1"), manager="hai")
    with pytest.raises(Conflict, match=r"conflict with \"hai\""):
        await client.apply(one, config_map("one", a="2"), manager="other", force=False)


async def test_a_name_in_use_and_a_wrong_uid_are_conflicts(
    client: KubernetesClient, namespace: str
) -> None:
    path = core("configmaps", namespace)
    await client.create(path, config_map("one"))
    with pytest.raises(AlreadyExists):
        await client.create(path, config_map("one"))
    with pytest.raises(Conflict, match="UID"):
        await client.delete(core("configmaps", namespace, "one"), uid="another")
    assert await client.get_or_none(core("configmaps", namespace, "one"))


async def test_a_change_of_an_old_version_is_a_conflict(
    client: KubernetesClient, namespace: str
) -> None:
    made = await client.create(core("configmaps", namespace), config_map("one"))
    one = core("configmaps", namespace, "one")
    await client.patch(one, {"data": {"a": "1"}})
    made["data"] = {"a": "2"}
    with pytest.raises(Conflict, match="modified"):
        await client.request("PUT", one, body=made)


@pytest.mark.parametrize(
    "name", ["Upper", "a b", "a/b", "ü", "x" * 300, "../secrets", "a?b", "%41"]
)
async def test_names_that_cannot_be_are_refused_and_change_nothing(
    client: KubernetesClient, namespace: str, name: str
) -> None:
    with pytest.raises(InvalidInput):
        await client.create(core("configmaps", namespace), config_map(name))
    with pytest.raises((NotFound, InvalidInput)):
        await client.get(core("configmaps", namespace, name))


async def test_a_list_is_read_page_by_page(client: KubernetesClient, namespace: str) -> None:
    path = core("configmaps", namespace)
    names = {f"m{n}" for n in range(7)}
    await asyncio.gather(*(client.create(path, config_map(name)) for name in names))
    pages = [page async for page in client.pages(path, labelSelector="app=hai", limit=3)]
    assert [len(page["items"]) for page in pages] == [3, 3, 1]
    whole = await client.list(path, labelSelector="app=hai", limit=2)
    assert {item["metadata"]["name"] for item in whole["items"]} == names
    assert (await client.list(path, labelSelector="app=other"))["items"] == []


async def test_a_list_that_the_server_forgot_is_expired(
    own: Cluster, client: KubernetesClient, namespace: str
) -> None:
    path = core("configmaps", namespace)
    for name in ("a", "b", "c"):
        await client.create(path, config_map(name))
    pages = client.pages(path, limit=1)
    await anext(pages)
    await client.patch(core("configmaps", namespace, "a"), {"data": {"x": "1"}})
    await own.forget_history()
    with pytest.raises(Expired):
        [page async for page in pages]


async def test_a_user_without_rights_is_told_verb_and_resource(
    cluster: Cluster, client: KubernetesClient, namespace: str, tmp_path: Path
) -> None:
    kubeconfig = await weak_kubeconfig(cluster, client, namespace, tmp_path)
    async with await KubernetesClient.open(kubeconfig) as weak:
        with pytest.raises(Denied) as denied:
            await weak.delete(core("pods", namespace, "p"))
        assert f"delete pods p in namespace {namespace}" in denied.value.message
        assert denied.value.hint == f"check with: kubectl auth can-i delete pods -n {namespace}"
        assert denied.value.details["resource"] == "pods"
        with pytest.raises(Denied, match="list nodes"):
            await weak.list(core("nodes"))


async def weak_kubeconfig(
    cluster: Cluster, client: KubernetesClient, namespace: str, folder: Path
) -> Path:
    """Of a service account that may do nothing."""
    await client.create(core("serviceaccounts", namespace), {"metadata": {"name": "weak"}})
    token = await client.create(
        core("serviceaccounts", namespace, "weak", "token"),
        {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}},
    )
    config = yaml.safe_load(cluster.kubeconfig.read_text())
    for user in config["users"]:
        user["user"] = {"token": token["status"]["token"]}
    path = folder / "weak.kubeconfig"
    path.write_text(yaml.safe_dump(config))
    return path


async def test_a_namespace_quota_is_told(client: KubernetesClient, namespace: str) -> None:
    quota = {"metadata": {"name": "q"}, "spec": {"hard": {"configmaps": "0"}}}
    await client.create(core("resourcequotas", namespace), quota)

    async def is_refused() -> None:
        while True:  # the server learns of the quota a moment later
            name = f"m{asyncio.get_running_loop().time()}"
            await client.create(core("configmaps", namespace), config_map(name))

    with pytest.raises(Denied, match="exceeded quota") as denied:
        await asyncio.wait_for(is_refused(), 30)
    assert denied.value.code == "over_quota"


async def test_a_wrong_token_is_told(cluster: Cluster, tmp_path: Path) -> None:
    config = yaml.safe_load(cluster.kubeconfig.read_text())
    for user in config["users"]:
        user["user"] = {"token": "wrong"}
    path = tmp_path / "wrong.kubeconfig"
    path.write_text(yaml.safe_dump(config))
    async with await KubernetesClient.open(path) as stranger:
        with pytest.raises(AuthRequired, match="does not accept the credentials"):
            await stranger.get(core("nodes"))


async def test_a_server_that_is_away_is_unavailable(own: Cluster) -> None:
    async with await KubernetesClient.open(own.kubeconfig, timeout_seconds=5) as client:

        async def answers() -> bool:
            with suppress(Unavailable):  # a busy machine, or a server that was away: 5 s are little
                await client.get(core("nodes"))
                return True
            return False

        await async_wait_until(answers, what="a server that answers")
        before = client.failures["unavailable"]
        with own.stopped("apiserver"):
            with pytest.raises(Unavailable, match="does not answer"):
                await client.get(core("nodes"))
            assert client.failures["unavailable"] == before + 1
        await async_wait_until(answers, what="the server back")
