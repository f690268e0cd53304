"""`scripts/release`: builds, says what it built, pushes if asked."""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from scripts.releasing.bases import PLATFORM_PACKAGES, base_archive
from scripts.releasing.content import lay_account, lay_platform, lay_runtime, platform_config
from scripts.releasing.image import base_of, paths_of, pythons_of, text_of, write_image
from scripts.releasing.layer import pack
from scripts.releasing.source import Source, export, is_dirty
from scripts.releasing.wheels import build_wheels

_HELP = """\
Builds, from what is committed, the wheels of hai-platform, haienv and haiworkspace and the image
that plays every role of the platform by its command (hai-server, hai-studio, postgres,
redis-server).

  IMAGE_REPO         name of the images without a tag (default: hai-platform)
  BASE_IMAGE         what the image stands on: an image of the engine, or a .tar; it has Python 3.11
                     or newer, tini, PostgreSQL and Redis (default: made of Debian's packages)
  BUILD_TRAIN_IMAGE  1: also an image to train in, REPO:revision-RUNTIME
  TRAIN_RUNTIME      its name, such as cpu or cu124 (default: cpu)
  TRAIN_BASE_IMAGE   what it stands on: an image with Python and PyTorch, for CUDA say one of
                     NVIDIA's (default: made of Debian's packages, with PyTorch for the CPU)
  TRAIN_PACKAGES     Debian's packages of the default one (default: python3 python3-pip
                     python3-venv python3-numpy python3-torch procps)
  PUSH               1: push the images with the container engine
  OUT                folder of what is built (default: dist)
"""
_TRAIN_PACKAGES = "python3 python3-pip python3-venv python3-numpy python3-torch procps"


@dataclass(frozen=True, slots=True)
class Built:
    name: str
    image_id: str
    archive: Path


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="scripts/release",
        description=_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.parse_args()
    out = Path(os.environ.get("OUT") or "dist").absolute()
    out.mkdir(parents=True, exist_ok=True)
    checkout = Path.cwd()
    if is_dirty(checkout):
        print("note: what is not committed is not part of the release", file=sys.stderr)
    with tempfile.TemporaryDirectory(dir=out, prefix=".build-") as name:
        scratch = Path(name)
        source = export(checkout, scratch / "tree")
        wheels = build_wheels(source, scratch, out)
        images = [_platform_image(source, wheels[0], scratch / "platform", out)]
        if os.environ.get("BUILD_TRAIN_IMAGE") == "1":
            images.append(_train_image(source, scratch / "train", out))
    for image in images:
        _load(image)
    _tell(images, wheels)


def _repository() -> str:
    return os.environ.get("IMAGE_REPO") or "hai-platform"


def _platform_image(source: Source, wheel: Path, scratch: Path, out: Path) -> Built:
    root = scratch / "root"
    root.mkdir(parents=True)
    archive = base_archive(os.environ.get("BASE_IMAGE", ""), PLATFORM_PACKAGES, scratch)
    base = base_of(archive, scratch)
    paths = paths_of(base)
    pythons = pythons_of(paths)
    if not pythons:
        raise SystemExit("error: the base has no Python >= 3.11\nhint: see scripts/release --help")
    lay_platform(root, wheel, source, pythons[0])
    lay_account(root, text_of(base, "etc/passwd"), text_of(base, "etc/group"))
    layer = pack(root, scratch / "layer.tar", source.epoch)
    name = f"{_repository()}:{source.revision}"
    path = out / f"hai-platform-{source.revision}.tar"
    config = platform_config(source, paths)
    image_id = write_image(path, name, base, layer, config, source.epoch)
    return Built(name, image_id, path)


def _train_image(source: Source, scratch: Path, out: Path) -> Built:
    runtime = os.environ.get("TRAIN_RUNTIME") or "cpu"
    root = scratch / "root"
    root.mkdir(parents=True)
    packages = (os.environ.get("TRAIN_PACKAGES") or _TRAIN_PACKAGES).split()
    archive = base_archive(os.environ.get("TRAIN_BASE_IMAGE", ""), packages, scratch)
    base = base_of(archive, scratch)
    lay_runtime(root, next(iter(pythons_of(paths_of(base))), "/usr/bin/python3"))
    layer = pack(root, scratch / "layer.tar", source.epoch)
    tag = f"{source.revision}-{runtime}"
    path = out / f"hai-platform-{tag}.tar"
    name = f"{_repository()}:{tag}"
    image_id = write_image(path, name, base, layer, {"Cmd": ["bash"]}, source.epoch)
    return Built(name, image_id, path)


def _load(image: Built) -> None:
    """Into the container engine, where one runs; pushed if asked."""
    wants_push = os.environ.get("PUSH") == "1"
    docker = shutil.which("docker")
    has_engine = docker and not subprocess.run([docker, "version"], capture_output=True).returncode
    if not docker or not has_engine:
        if wants_push:
            raise SystemExit(
                f"error: no container engine to push {image.name} with\n"
                f"hint: skopeo copy docker-archive:{image.archive} docker://{image.name}"
            )
        return
    subprocess.run([docker, "load", "--quiet", "-i", str(image.archive)], check=True, stdout=2)
    if wants_push:
        subprocess.run([docker, "push", image.name], check=True, stdout=2)


def _tell(images: list[Built], wheels: list[Path]) -> None:
    print("Build success:")
    for kind, image in zip(("image", "train image"), images, strict=False):
        print(f"  {kind + ':':<13}{image.name}")
        print(f"  {'':<13}{image.image_id}")
        print(f"  {'':<13}{image.archive}")
    print("  install the client tools:")
    for wheel in wheels:
        print(f"    pip3 install {wheel}")


if __name__ == "__main__":
    main()
