"""A platform on a cluster as a place to back up, restore and upgrade."""

import asyncio
import base64
import io
import json
import shutil
import tempfile
import tomllib
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, BinaryIO, TypeVar, cast

from hai.errors import InvalidInput, NotFound, PlatformError
from hai.kubernetes import paths
from hai.kubernetes.client import KubernetesClient
from hai_up.backup.added import OVERRIDE, files_of
from hai_up.backup.archive import Archive, Contents
from hai_up.backup.flow import answer_of
from hai_up.backup.place import Json
from hai_up.choice import K8S
from hai_up.cluster.options import ClusterOptions, cluster_options
from hai_up.cluster.plan import SECRET
from hai_up.cluster.secrets import made
from hai_up.first_rows import ADMIN
from hai_up.last import LastPlatform, require_last
from hai_up.providers.kubernetes import snapshot
from hai_up.providers.kubernetes import state as states
from hai_up.providers.kubernetes.apply import require_apply
from hai_up.providers.kubernetes.down import remove_task_objects
from hai_up.providers.kubernetes.health import until_trouble
from hai_up.providers.kubernetes.nodes import check_nodes
from hai_up.providers.kubernetes.place import known_secrets, open_client
from hai_up.providers.kubernetes.run import bring_to
from hai_up.providers.kubernetes.transfer import CONFIG, TransferPod
from hai_up.providers.kubernetes.wait import is_ready, wait_ready

Say = Callable[[str], None]
T = TypeVar("T")

PROVIDER = K8S
VARIABLES = "config.json"


@dataclass(frozen=True, slots=True)
class _Open:
    """`options`: as config.sh says, else as the last run did; `state` None: no platform yet."""

    client: KubernetesClient
    options: ClusterOptions
    state: states.ClusterState | None


class KubernetesPlace:
    """The platform of a config.sh, or with no variables the last one of this machine."""

    provider = PROVIDER

    def __init__(self, values: Mapping[str, str], say: Say) -> None:
        self._values = values
        self._say = say
        self._runner = asyncio.Runner()
        self._opened: _Open | None = None
        self._pod: TransferPod | None = None
        self._replicas: list[tuple[Json, int]] = []
        self._before: list[Json] = []

    def _do(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        assert self._here  # noqa: S101 - whoever works finds it open
        return self._runner.run(work())

    @property
    def _here(self) -> _Open:
        if self._opened is None:
            self._opened = self._runner.run(self._find())
        return self._opened

    async def _find(self) -> _Open:
        if self._values:
            options = cluster_options(self._values)
            client = await open_client(options.kubeconfig, options.context)
            return _Open(client, options, await states.load(client, options.platform_namespace))
        last: LastPlatform = require_last(PROVIDER)
        client = await open_client(last.kubeconfig, last.context)
        state = await states.load(client, last.namespace)
        if state is None:
            await client.close()
            raise NotFound(
                f"hai-up has made no platform in namespace {last.namespace}",
                hint="hai-up run -c config.sh",
            )
        return _Open(client, cluster_options(state.config), state)

    @property
    def name(self) -> str:
        return self._here.options.platform_namespace

    def contents(self) -> Contents:
        return self._do(self._contents)

    async def _contents(self) -> Contents:
        client, namespace = self._here.client, self.name
        state = await states.load(client, namespace)
        config = await client.get(paths.core("configmaps", namespace, "hai-platform-config"))
        secret = await client.get(paths.core("secrets", namespace, SECRET))
        texts = {n: base64.b64decode(one).decode() for n, one in (secret["data"] or {}).items()}
        variables = json.dumps(state.config if state else {}, sort_keys=True)
        override = config["data"][OVERRIDE]
        files = {VARIABLES: variables, **files_of(override, tomllib.loads(override))}
        return Contents(PROVIDER, f"{namespace} of {client.host}", files, texts)

    def first_users(self) -> list[str]:
        return [*(user.name for user in self._here.options.users), ADMIN]

    def settings(self) -> Mapping[str, Any] | None:
        """It takes none: its servers have the settings of config.sh alone."""
        return {}

    def bring_up(self, archive: Archive) -> None:
        here = self._here
        if self._values:
            self._do(self._bring_up)
        elif not self._do(partial(_has_database, here)):
            raise InvalidInput(
                f"the platform in {self.name} does not run",
                hint=f"hai-up restore {archive.path} -c config.sh brings it up",
            )

    async def _bring_up(self) -> None:
        here = self._here
        await require_apply(here.client)
        await check_nodes(here.client, (*here.options.manager_nodes, *here.options.group_of))
        await bring_to(here.client, here.options, self._values, self._say)

    def open_database(self) -> None:
        if self._pod is None:
            self._do(self._open_pod)

    async def _open_pod(self) -> None:
        here = self._here
        if not await _has_database(here):
            raise NotFound(
                f"the database in {self.name} does not run", hint="hai-up run -c config.sh"
            )
        secrets = await known_secrets(here.client, self.name) or made()
        self._pod = TransferPod(here.client, here.options, secrets)
        await self._pod.open()

    def close(self) -> None:
        try:
            if self._pod is not None:
                self._do(self._pod.close)
            if self._opened is not None:
                self._do(self._opened.client.close)
        finally:
            self._pod = self._opened = None
            self._runner.close()

    def dump(self, sink: BinaryIO) -> None:
        self._program("the database cannot be backed up", "dump", sink)

    def load(self, order: Mapping[str, Any], source: BinaryIO | None = None) -> Json:
        if order.get("exact") and self._before:
            self._do(self._database_as_before)
        out = io.BytesIO()
        # Nameless, and for nobody else: exec must know how much there is.
        with tempfile.TemporaryFile() as whole:
            whole.write(json.dumps(order).encode() + b"\n")
            if source is not None:
                shutil.copyfileobj(source, whole)
            whole.seek(0)
            self._program("the database cannot be restored", "load", out, cast("BinaryIO", whole))
        return answer_of(out.getvalue())

    def _program(self, what: str, word: str, out: BinaryIO, source: BinaryIO | None = None) -> None:
        assert self._pod is not None, "open_database() comes first"  # noqa: S101
        command = ["hai-server", word, "--config", CONFIG]
        self._do(partial(self._pod.run, what, command, out, source))

    def stop_server(self) -> None:
        self._do(self._stop)

    async def _stop(self) -> None:
        client = self._here.client
        found = await snapshot.servers(client, self.name)
        if not self._replicas:
            self._replicas = [(item, int(item["spec"].get("replicas", 1))) for item in found]
        for item in found:
            await snapshot.scale(client, item, 0)
        await snapshot.wait_no_pods(client, found)

    def start_server(self) -> None:
        self._do(self._start)

    async def _start(self) -> None:
        client = self._here.client
        for item, replicas in self._replicas:
            await snapshot.scale(client, item, replicas)
        await wait_ready(client, [item for item, _ in self._replicas], self._say)

    def end_workers(self) -> None:
        here = self._here
        self._do(partial(remove_task_objects, here.client, here.options.task_namespace))

    # an upgrade

    def versions(self) -> tuple[str, str]:
        found = self._do(partial(snapshot.servers, self._here.client, self.name))
        if not found:
            raise NotFound(
                f"no server runs in {self.name}: there is nothing to upgrade",
                hint="hai-up run -c config.sh",
            )
        old = found[0]["spec"]["template"]["spec"]["containers"][0]["image"]
        return f"image {old}", f"image {self._here.options.base_image}"

    def prepare(self) -> None:
        """A pod of the new image; nothing of the platform is touched."""
        self._do(self._prepare)
        self.open_database()

    async def _prepare(self) -> None:
        here = self._here
        await require_apply(here.client)
        await check_nodes(here.client, (*here.options.manager_nodes, *here.options.group_of))
        self._before = await snapshot.taken(here.client, here.options)

    def migrate(self) -> list[str]:
        out = io.BytesIO()
        self._program("the database cannot be migrated", "migrate", out)
        return list(answer_of(out.getvalue())["applied"])

    def switch(self) -> None:
        """Rights, configuration, database, server: as run does; given up where pods are broken."""
        here = self._here
        work = partial(bring_to, here.client, here.options, self._values, self._say)
        self._do(partial(until_trouble, here.client, self.name, work))

    def check(self) -> None:
        assert self._pod is not None, "open_database() comes first"  # noqa: S101
        out = io.BytesIO()
        command = ["python3", "-m", "hai_up.backup.inside"]
        self._do(partial(self._pod.run, "the new server does not answer", command, out))
        answer = answer_of(out.getvalue())
        if answer["server"] != answer["installed"]:
            raise PlatformError(
                f"the server says that it is HAI {answer['server']}, and the image has "
                f"{answer['installed']}"
            )

    async def _database_as_before(self) -> None:
        here = self._here
        kinds = ("ConfigMap", "Service", "NetworkPolicy", "StatefulSet")
        items = await snapshot.put_back(here.client, here.options, self._before, kinds)
        await wait_ready(here.client, items, self._say)

    def switch_back(self) -> None:
        self._do(self._switch_back)

    async def _switch_back(self) -> None:
        here = self._here
        items = await snapshot.put_back(here.client, here.options, self._before, snapshot.KINDS)
        await wait_ready(here.client, items, self._say)


async def _has_database(here: _Open) -> bool:
    path = f"/apis/apps/v1/namespaces/{here.options.platform_namespace}/statefulsets/hai-postgres"
    known = await here.client.get_or_none(path)
    return known is not None and is_ready(known)
