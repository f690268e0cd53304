"""Images as archives in the form of `docker save`, which every engine and `ctr` read."""

import hashlib
import json
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

from hai.core.moments import rfc3339
from scripts.releasing.layer import Layer, digest_of


@dataclass(frozen=True, slots=True)
class Base:
    """What an image stands on: its layers, and what its own configuration says."""

    layers: tuple[Layer, ...]
    config: Mapping[str, Any] = field(default_factory=dict)
    architecture: str = "amd64"


def base_of(archive: Path, scratch: Path) -> Base:
    """From a tar: a root file system, or what `docker save` wrote."""
    with tarfile.open(archive) as tar:
        names = set(tar.getnames())
    if "manifest.json" not in names:
        return Base((Layer(archive, digest_of(archive)),))
    folder = scratch / "base"
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    manifest = json.loads((folder / "manifest.json").read_text())[0]
    config = json.loads((folder / manifest["Config"]).read_text())
    layers = tuple(_plain(folder / name) for name in manifest["Layers"])
    return Base(layers, config.get("config") or {}, config.get("architecture", "amd64"))


def write_image(
    path: Path, name: str, base: Base, layer: Layer, config: Mapping[str, Any], epoch: int
) -> str:
    """The archive of `base` with `layer` on top; its image id (the digest of its configuration)."""
    layers = (*base.layers, layer)
    content = {
        "architecture": base.architecture,
        "config": {**base.config, **config},
        "created": rfc3339(epoch, "seconds"),
        "os": "linux",
        "rootfs": {"diff_ids": [f"sha256:{one.digest}" for one in layers], "type": "layers"},
    }
    data = json.dumps(content, sort_keys=True, separators=(",", ":")).encode()
    image_id = hashlib.sha256(data).hexdigest()
    files = [f"{one.digest}.tar" for one in layers]
    manifest = [{"Config": f"{image_id}.json", "Layers": files, "RepoTags": [name]}]
    with tarfile.open(path, "w") as archive:
        _add(archive, f"{image_id}.json", data, epoch)
        for one, file in zip(layers, files, strict=True):
            info = archive.gettarinfo(one.path, file)
            info.uid = info.gid = 0
            info.uname = info.gname = ""
            info.mtime, info.mode = epoch, 0o644
            with one.path.open("rb") as content_of_layer:
                archive.addfile(info, content_of_layer)
        _add(archive, "manifest.json", json.dumps(manifest).encode(), epoch)
    return f"sha256:{image_id}"


def paths_of(base: Base) -> frozenset[str]:
    """Every path of its layers, from the root on."""
    found: set[str] = set()
    for layer in base.layers:
        with tarfile.open(layer.path) as tar:
            found |= {f"/{name.removeprefix('./')}" for name in tar.getnames()}
    return frozenset(found)


def text_of(base: Base, path: str) -> str:
    """Of a file such as "etc/passwd", as the topmost layer has it; "" where there is none."""
    for layer in reversed(base.layers):
        with tarfile.open(layer.path) as tar:
            for name in (path, f"./{path}"):
                try:
                    file = tar.extractfile(name)
                except KeyError:
                    continue
                if file is not None:
                    return file.read().decode()
    return ""


def pythons_of(paths: frozenset[str]) -> list[str]:
    """The interpreters python3.N, the one that its users would get first."""
    folders: Sequence[str] = ("/usr/local/bin/", "/usr/bin/")
    known = [path for folder in folders for path in paths if _is_python(path, folder)]
    return sorted(known, key=lambda p: (not p.startswith("/usr/local"), -int(p.rpartition(".")[2])))


def _is_python(path: str, folder: str) -> bool:
    minor = path.removeprefix(f"{folder}python3.")
    return path != minor and minor.isdigit() and int(minor) >= 11


def _plain(path: Path) -> Layer:
    """Engines of today write compressed layers too; the diff id is that of the plain tar."""
    if path.read_bytes()[:2] != b"\x1f\x8b":
        return Layer(path, digest_of(path))
    import gzip
    import shutil

    plain = path.with_suffix(".plain")
    with gzip.open(path) as packed, plain.open("wb") as file:
        shutil.copyfileobj(packed, file)
    return Layer(plain, digest_of(plain))


def _add(archive: tarfile.TarFile, name: str, data: bytes, epoch: int) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mtime = len(data), epoch
    archive.addfile(info, BytesIO(data))
