"""What must be right on a machine with Docker before anything is changed. It makes nothing."""

import errno
import os
import shutil
import socket
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from hai.errors import HaiError
from hai_up.checks import FAIL, GOOD_DISK_BYTES, LEAST_DISK_BYTES, OK, WARN, Check, chosen
from hai_up.compose.options import ComposeOptions, compose_options
from hai_up.compose.plan import servers_of
from hai_up.providers.compose.engine import INSTALL, LEAST_COMPOSE, LEAST_ENGINE, number_of
from hai_up.providers.compose.outside import bus_check, database_check
from hai_up.providers.compose.place import containers_of, engine_of, with_environment

Probe = Callable[[ComposeOptions], Check | None]

CHECK_SECONDS = 3.0


def checks(values: Mapping[str, str], only: Collection[str] = ()) -> list[Check]:
    """Every check of `only`; those that need an engine which is away are left out."""
    wanted = chosen(only, tuple(_PROBES))
    options = compose_options(with_environment(values))
    return [check for check in _checks(options) if check.id in wanted or _is_away(check)]


def preflight(options: ComposeOptions) -> list[Check]:
    """Those that are not as they should be."""
    return [check for check in _checks(options) if check.status != OK]


def _checks(options: ComposeOptions) -> Iterator[Check]:
    is_away = False
    for name, probe in _PROBES.items():
        check = None if is_away and probe in _OF_ENGINE else bounded(name, probe, options)
        if check is not None:
            yield check
            is_away = is_away or _is_away(check)


def _is_away(check: Check) -> bool:
    """Then nothing is known of images and ports: whoever asks for those alone is told of it."""
    return check.id == "docker.engine" and check.status == FAIL


def bounded(name: str, probe: Probe, options: ComposeOptions) -> Check | None:
    """By its id. A probe that breaks has failed, and says why; None has nothing to look at."""
    group, _, short = name.partition(".")
    try:
        check = probe(options)
    except HaiError as error:
        return Check(short, FAIL, error.message, error.hint or "docker info", group)
    return check and replace(check, group=group)


def _engine(options: ComposeOptions) -> Check:
    version = engine_of(options).version(seconds=CHECK_SECONDS)
    if number_of(version) < LEAST_ENGINE:
        text = f"the engine at {options.socket} is {version}"
        wanted = ".".join(f"{one:02d}" for one in LEAST_ENGINE)
        return Check("engine", FAIL, text, f"Docker {wanted} or newer: apt-get install docker.io")
    return Check("engine", OK, f"{options.socket} is Docker {version}")


def _compose(options: ComposeOptions) -> Check:
    known = engine_of(options).compose()
    if known is None:
        return Check("compose", FAIL, "there is no docker compose on this machine", INSTALL)
    if known.is_too_old:
        wanted = ".".join(map(str, LEAST_COMPOSE))
        text = f"docker compose is {known.version}, and {wanted} or newer is needed"
        return Check("compose", FAIL, text, INSTALL)
    return Check("compose", OK, f"{' '.join(known.command)} {known.version}")


def _share(options: ComposeOptions) -> Check:
    """Can this account make files there? The rights alone do not say so of a read-only disk."""
    nearest = _nearest(Path(options.platform_path))
    try:
        with tempfile.TemporaryFile(prefix=".hai-check-", dir=nearest) as file:
            file.write(b"hai")
    except OSError as error:
        why = error.strerror or str(error)
        fix = (
            f"sudo mkdir -p {options.platform_path} && sudo chown $(id -u) {options.platform_path}"
        )
        if error.errno == errno.EROFS:
            fix = "mount it for reading and writing, or another SHARED_FS_ROOT in config.sh"
        return Check("share", FAIL, f"{nearest} is not writable for you: {why}", fix)
    return Check("share", OK, f"{options.platform_path} can be written")


def _nearest(path: Path) -> Path:
    return next(one for one in (path, *path.parents) if os.path.lexists(one))


def _disk(options: ComposeOptions) -> Check:
    free = shutil.disk_usage(_nearest(Path(options.db_path))).free
    text, fix = f"{free / 1e9:.1f} GB free for {options.db_path}", "free some space, or DB_PATH"
    if free < LEAST_DISK_BYTES:
        return Check("disk", FAIL, text, fix)
    return Check("disk", WARN if free < GOOD_DISK_BYTES else OK, text, fix)


def _image(options: ComposeOptions) -> Check:
    return _image_check("image", "BASE_IMAGE", options.base_image, options, FAIL)


def _train_image(options: ComposeOptions) -> Check:
    """It may come later: tasks wait for it, and say so."""
    if options.cluster is not None:
        return Check("tasks", OK, f"{options.train_image}, on the nodes of the cluster")
    return _image_check("tasks", "TRAIN_IMAGE", options.train_image, options, WARN)


def _image_check(
    check: str, variable: str, image: str, options: ComposeOptions, missing: str
) -> Check:
    if engine_of(options).has_image(image):
        return Check(check, OK, f"{image} is here")
    if "/" in image:
        text = f"{variable} {image} is not here: the engine will ask its registry"
        return Check(check, WARN, text, f"docker pull {image}")
    fix = f"scripts/release builds it; docker load -i FILE brings it; or correct {variable}"
    return Check(check, missing, f"{variable} {image} is not here, and no registry is named", fix)


def _ports(options: ComposeOptions) -> Check:
    """Free, or held by this platform's own containers."""
    wanted = [("HAI_PORT", options.port), ("HAI_STUDIO_PORT", options.studio_port)]
    if options.exposes_databases:
        own = ((5432, options.database), (6379, options.bus))
        wanted += [("EXPOSE_DATABASES", port) for port, given in own if given is None]
    held = _held_ports(options)
    for name, port in wanted:
        if port in held:
            continue
        why = _port_problem(options.host, port)
        if why:
            fix = f"end the program that has it (ss -ltnp 'sport = {port}'), or another {name}"
            return Check("ports", FAIL, f"{name}: port {port} on {options.host} {why}", fix)
    numbers = ", ".join(str(port) for _, port in wanted)
    return Check("ports", OK, f"{numbers} for {servers_of(options)[0]} and studio")


def _held_ports(options: ComposeOptions) -> set[int]:
    held = set()
    for one in containers_of(options, engine_of(options)).values():
        bindings = (one.get("HostConfig") or {}).get("PortBindings") or {}
        if one["State"]["Status"] == "running":
            held |= {int(b["HostPort"]) for given in bindings.values() for b in given or ()}
    return held


def _port_problem(host: str, port: int) -> str:
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, socket.SOCK_STREAM) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(1)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return "is taken"
        if error.errno == errno.EACCES:
            return ""  # the engine binds it, which may
        return f"cannot be had: {error.strerror or error}"
    return ""


# By id, in the order in which they are shown.
_PROBES: Mapping[str, Probe] = {
    "docker.engine": _engine,
    "docker.compose": _compose,
    "machine.share": _share,
    "machine.disk": _disk,
    "machine.database": database_check,
    "machine.bus": bus_check,
    "docker.image": _image,
    "docker.tasks": _train_image,
    "docker.ports": _ports,
}
_OF_ENGINE = (_image, _train_image, _ports)
