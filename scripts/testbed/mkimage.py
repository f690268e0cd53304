"""Make an image archive of one layer from a root file system, without an engine or a registry.

usage: mkimage.py OUT.tar NAME:TAG ROOT [ENTRYPOINT ...]

ROOT is a folder or an uncompressed archive of one. OUT.tar has the form of `docker save`: both
`ctr images import` and `docker load` read it.
"""

import hashlib
import io
import json
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_PIECE_BYTES = 1 << 20


def make_image(out: Path, name: str, root: Path, entrypoint: Sequence[str] = ()) -> None:
    """Write `out`; it appears whole or not at all."""
    with tempfile.TemporaryDirectory(dir=out.parent) as folder:
        layer = root
        if root.is_dir():
            layer = Path(folder) / "layer.tar"
            with tarfile.open(layer, "w") as archive:
                for path in sorted(root.iterdir()):
                    archive.add(path, path.name)
        config = _config(_digest(layer), entrypoint)
        manifest = [
            {"Config": "config.json", "RepoTags": [full_name(name)], "Layers": ["layer.tar"]}
        ]
        whole = Path(folder) / "image.tar"
        with tarfile.open(whole, "w") as archive:
            _add(archive, "config.json", json.dumps(config).encode())
            _add(archive, "manifest.json", json.dumps(manifest).encode())
            archive.add(layer, "layer.tar")
        whole.rename(out)


def full_name(name: str) -> str:
    """As container runtimes write it: with a registry's name in front."""
    if "." in name.split("/")[0]:
        return name
    return "docker.io/" + ("" if "/" in name else "library/") + name


def _config(layer_digest: str, entrypoint: Sequence[str]) -> dict[str, object]:
    return {
        "architecture": "amd64",
        "os": "linux",
        "config": {
            "Entrypoint": list(entrypoint) or None,
            "Cmd": None if entrypoint else ["sh"],
            "Env": [f"PATH={_PATH}"],
        },
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer_digest}"]},
    }


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_PIECE_BYTES):
            digest.update(piece)
    return digest.hexdigest()


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    archive.addfile(info, io.BytesIO(content))


if __name__ == "__main__":
    make_image(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]), sys.argv[4:])
