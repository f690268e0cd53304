"""scripts/release: wheels that install, and an image that plays every role, the same each time."""

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import venv
from dataclasses import dataclass
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
USER = "10001:10001"
ROLES = {
    "hai-server --help": "The HAI server",
    "hai-studio --help": "--server",
    "postgres --version": "PostgreSQL",
    "redis-server --version": "Redis server",
    "hai-up --help": "hai-up",
    "python3 -c 'import kubernetes.aio, hai.server.compose; print(1)'": "1",
    "python3 -I -S /opt/hai/agent.pyz 2>&1 || true": "usage",
}

pytestmark = [
    pytest.mark.acceptance,
    pytest.mark.timeout(1200),
    pytest.mark.xdist_group("release"),
    pytest.mark.skipif(os.geteuid() != 0, reason="root file systems are made and entered by root"),
    pytest.mark.skipif(not (CHECKOUT / ".git").exists(), reason="no git checkout to release from"),
]


@dataclass(frozen=True)
class Release:
    text: str
    out: Path

    @property
    def wheels(self) -> list[str]:
        return re.findall(r"pip3 install (\S+)", self.text)

    @property
    def image_id(self) -> str:
        found = re.search(r"sha256:[0-9a-f]{64}", self.text)
        assert found is not None, self.text
        return found.group()

    @property
    def archive(self) -> Path:
        return next(self.out.glob("hai-platform-*.tar"))


def release(out: Path, **environment: str) -> Release:
    done = subprocess.run(
        [sys.executable, "-m", "scripts.releasing"],
        cwd=CHECKOUT,
        env={
            **os.environ,
            "OUT": str(out),
            "IMAGE_REPO": "registry.example/lab/hai",
            **environment,
        },
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return Release(done.stdout, out)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Release:
    if not shutil.which("mmdebstrap") and os.environ.get("CI") != "true":
        pytest.skip("mmdebstrap is missing: the image has no base")
    return release(tmp_path_factory.mktemp("release"))


@pytest.fixture(scope="module")
def root(built: Release, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The image's root file system."""
    folder = tmp_path_factory.mktemp("image")
    with tarfile.open(built.archive) as archive:
        archive.extractall(folder, filter="data")
    (manifest,) = json.loads((folder / "manifest.json").read_text())
    for layer in manifest["Layers"]:
        subprocess.run(["tar", "-xf", folder / layer, "-C", _made(folder / "root")], check=True)
    return folder / "root"


def _made(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    return folder


def test_it_says_what_it_built(built: Release) -> None:
    assert built.text.startswith("Build success:\n")
    revision = subprocess.check_output(
        ["git", "-C", CHECKOUT, "rev-parse", "--short=10", "HEAD"], text=True
    ).strip()
    assert f"registry.example/lab/hai:{revision}\n" in built.text
    assert len(built.wheels) == 3
    assert all(Path(wheel).is_file() and revision in wheel for wheel in built.wheels)


def test_the_same_tree_is_the_same_image(built: Release, tmp_path: Path) -> None:
    again = release(tmp_path)
    assert again.image_id == built.image_id
    for wheel in built.wheels:
        assert (tmp_path / Path(wheel).name).read_bytes() == Path(wheel).read_bytes()


def test_it_runs_as_nobody_special(built: Release) -> None:
    with tarfile.open(built.archive) as archive:
        file = archive.extractfile(f"{built.image_id.removeprefix('sha256:')}.json")
        assert file is not None
        config = json.load(file)["config"]
    assert config["User"] == USER
    assert not any("TOKEN" in line or "PASSWORD" in line for line in config["Env"])


def test_the_image_has_an_account_for_it(root: Path) -> None:
    """Beside those of its base: initdb and others want a name."""
    for name, line in (
        ("passwd", "hai:x:10001:10001:HAI:/opt/hai/data:/bin/sh"),
        ("group", "hai:x:10001:"),
    ):
        lines = (root / "etc" / name).read_text().splitlines()
        assert line in lines
        assert any(one.startswith("root:x:0:") for one in lines)
    command = ["chroot", f"--userspec={USER}", str(root), "/usr/bin/id", "-un"]
    assert subprocess.check_output(command, text=True) == "hai\n"


@pytest.mark.parametrize("command", ROLES)
def test_the_image_plays_every_role(root: Path, command: str) -> None:
    servers = next(root.glob("usr/lib/postgresql/*/bin")).relative_to(root)
    path = f"/opt/hai/bin:/{servers}:/usr/bin:/bin"
    environment = [f"PATH={path}", "HOME=/opt/hai/data", "LANG=C.UTF-8"]
    chroot = ["chroot", f"--userspec={USER}", str(root), "/usr/bin/env", "-i", *environment]
    done = subprocess.run([*chroot, "sh", "-c", command], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert ROLES[command] in done.stdout


def test_three_lines_install_the_client_tools(built: Release, tmp_path: Path) -> None:
    venv.create(tmp_path / "venv", with_pip=True)
    bin_dir = tmp_path / "venv" / "bin"
    for wheel in built.wheels:
        install = [bin_dir / "python", "-m", "pip", "install", "--quiet", wheel]
        subprocess.run([str(word) for word in install], check=True, capture_output=True)
    version = subprocess.check_output([bin_dir / "hai-cli", "--version"], text=True)
    assert version.split()[1] == Path(built.wheels[0]).name.split("-")[1]
    for tool in ("haienv", "haiworkspace", "hai-up"):
        assert (bin_dir / tool).is_file()


def test_bad_input_is_refused(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "scripts.releasing"],
        cwd=CHECKOUT,
        env={**os.environ, "OUT": str(tmp_path), "BASE_IMAGE": str(tmp_path / "none.tar")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "error: no file" in done.stderr
    assert not list(tmp_path.glob("*.tar"))
