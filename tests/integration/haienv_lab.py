"""Environments of ann in a folder of their own, an index of wheels."""

import base64
import hashlib
import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[2]


SHELLS = [path for name in ("bash", "zsh") if (path := shutil.which(name))]


class Shared:
    """A shared folder of environments, and a PATH where `haienv` is installed as by pip."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "envs" / "ann"
        self.bin = folder / "bin"
        self.bin.mkdir(parents=True)
        text = (ROOT / "haienv" / "scripts" / "haienv").read_text()
        assert text.startswith("#!python\n")
        (self.bin / "haienv").write_text(text.replace("#!python", f"#!{sys.executable}", 1))
        (self.bin / "haienv").chmod(0o755)
        self.variables = {
            "PATH": f"{self.bin}:/usr/local/bin:/usr/bin:/bin",
            "HOME": str(folder),
            "LANG": "C.UTF-8",
            "HAIENV_PATH": str(self.root),
            "PYTHONPATH": str(ROOT),
        }

    def run(self, *command: str, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            env={**self.variables, **more},
            cwd=self.bin.parent,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=500,
            check=False,
        )

    def haienv(self, *args: str, **more: str) -> subprocess.CompletedProcess[str]:
        return self.run(str(self.bin / "haienv"), *args, **more)

    def clone(self, name: str, owner: str = "ann", **changes: object) -> Path:
        """Another environment from the same files: making a real one takes seconds."""
        path = self.root.parent / owner / name
        shutil.copytree(self.root / "vision", path, symlinks=True)
        document = json.loads((path / "haienv.json").read_text())
        (path / "haienv.json").write_text(json.dumps({**document, **changes}))
        return path


_WHEEL = "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


def wheel(folder: Path, name: str, version: str, *needs: str, script: str = "") -> Path:
    """A package whose module says its version."""
    info = f"{name}-{version}.dist-info"
    files = {
        f"{name}.py": f"version = {version!r}\ndef main(): print({name!r}, version)\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        + "".join(f"Requires-Dist: {need}\n" for need in needs),
        f"{info}/WHEEL": _WHEEL,
    }
    if script:
        files[f"{info}/entry_points.txt"] = f"[console_scripts]\n{script} = {name}:main\n"
    record = ""
    for path, text in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=")
        record += f"{path},sha256={digest.decode()},{len(text.encode())}\n"
    made = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(made, "w") as archive:
        for inside, text in {**files, f"{info}/RECORD": record + f"{info}/RECORD,,\n"}.items():
            archive.writestr(inside, text)
    return made


class Lab(Shared):
    """Environments of ann, a base that has `torchy` 2.1+lab, and an index of wheels."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.wheels = folder / "wheels"
        self.wheels.mkdir()
        self.base = folder / "base"
        for name, version, *needs in (
            ("torchy", "2.1"),
            ("torchy", "3.0"),
            ("visiony", "0.16", "torchy==2.1"),
            ("visiony", "0.26", "torchy==3.0"),
            ("smally", "1.0"),
            ("smally", "2.0"),
        ):
            wheel(self.wheels, name, version, *needs)
        old = wheel(self.bin, "torchy", "2.1+lab", "smally", script="torchy-run")
        self.variables |= {"PIP_FIND_LINKS": str(self.wheels), "PIP_NO_INDEX": "1"}
        uv = str(Path(sys.executable).with_name("uv"))
        words = ("-p", str(self.base), str(old), "smally==1.0")
        self.do(uv, "venv", "-q", "--no-project", "-p", sys.executable, str(self.base))
        self.do(uv, "pip", "install", "-q", "--no-index", "-f", str(self.wheels), *words)

    def do(self, *words: str, code: int = 0, **more: str) -> str:
        done = self.run(*words, **more)
        assert done.returncode == code, done.stderr
        assert "Traceback" not in done.stderr
        return done.stdout if code == 0 else done.stderr

    def env(self, *words: str, code: int = 0, **more: str) -> str:
        return self.do(str(self.bin / "haienv"), *words, code=code, **more)

    def layer(self, name: str, *words: str) -> Path:
        self.env("create", name, "-p", str(self.base / "bin" / "python"), *words)
        return self.root / name

    def says(self, name: str, program: str) -> str:
        return self.do(str(self.root / name / "bin" / "python"), "-c", program).strip()

    def own(self, name: str) -> dict[str, str]:
        rows = json.loads(self.env("packages", name, "-o", "json"))
        return {row["package"]: row["version"] for row in rows}
