"""The platform's image of this commit, on the nodes of a cluster of scripts/testbed."""

import json
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path

import pytest

from scripts.releasing.image import base_of, write_image
from scripts.releasing.layer import Layer, pack
from tests.kubernetes.testbed import ENVIRONMENT, SCRIPTS, Cluster

CHECKOUT = SCRIPTS.parents[1]


_built: list[Path] = []  # by this process: building takes a minute


def build(out: Path) -> tuple[str, Path]:
    """Name and archive; skipped where it cannot be built, unless HAI_TEST_PLATFORM_TAR names one.
    Built once, in the folder of whoever comes first."""
    if not (_built and _built[0].exists()):
        _built[:] = [_build(out)]
    return f"hai-platform:{_built[0].stem.removeprefix('hai-platform-')}", _built[0]


def _build(out: Path) -> Path:
    known = ENVIRONMENT.get("HAI_TEST_PLATFORM_TAR", "")
    if known:
        return Path(known)
    if not (CHECKOUT / ".git").exists():
        pytest.skip("no git checkout to make an image of")
    if not shutil.which("mmdebstrap") and os.environ.get("CI") != "true":
        pytest.skip("mmdebstrap is missing: the image has no base")
    subprocess.run(
        [sys.executable, "-m", "scripts.releasing"],
        cwd=CHECKOUT,
        env={**ENVIRONMENT, "OUT": str(out), "IMAGE_REPO": "hai-platform"},
        check=True,
        capture_output=True,
    )
    return next(out.glob("hai-platform-*.tar"))


def variants(archive: Path, scratch: Path, files: Mapping[str, Mapping[str, str]]) -> Path:
    """One archive with images that stand on that one, by name; each with other files of HAI, whose
    paths begin in its library. All layers are in it once."""
    base = base_of(archive, scratch)
    out = scratch / "variants.tar"
    manifest, written = [], set()
    with tarfile.open(out, "w") as tar:
        for number, (name, changed) in enumerate(files.items()):
            layer = _layer_of(changed, scratch / str(number))
            path = scratch / f"{number}.tar"
            write_image(path, name, base, layer, {}, 1700000000)
            with tarfile.open(path) as one:
                for member in one.getmembers():
                    content = one.extractfile(member)
                    assert content is not None
                    if member.name == "manifest.json":
                        manifest += json.load(content)
                    elif member.name not in written:
                        written.add(member.name)
                        tar.addfile(member, content)
            path.unlink()
        data = json.dumps(manifest).encode()
        info = tarfile.TarInfo("manifest.json")
        info.size = len(data)
        tar.addfile(info, BytesIO(data))
    return out


def _layer_of(files: Mapping[str, str], folder: Path) -> Layer:
    """The files; the bytecode of the earlier ones goes, it is used without a look at them."""
    root = folder / "root"
    for name, text in files.items():
        path = root / "opt" / "hai" / "lib" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        if path.suffix == ".py":
            cache = path.parent / "__pycache__"
            cache.mkdir(exist_ok=True)
            (cache / f".wh.{path.stem}.cpython-311.pyc").touch()
    return pack(root, folder / "layer.tar", 1700000000)


def bring(cluster: Cluster, archive: Path, nodes: int) -> None:
    """Into the image store of every node, where no registry is."""
    runtime = cluster.folder.parents[1] / "rt" / "bin" / "ctr"
    for node in range(1, nodes + 1):
        holder = str(cluster.pid_of(f"node{node}"))
        enter = ["nsenter", "-t", holder, "-m", "-n", "-u"]
        store = [str(runtime), "-a", str(cluster.folder / f"n{node}" / "c.sock"), "-n", "k8s.io"]
        subprocess.run(
            [*enter, *store, "images", "import", str(archive)], check=True, capture_output=True
        )
