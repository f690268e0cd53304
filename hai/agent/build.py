"""Builds agent.pyz: the agent and, under sdk/, what the user's program may import from HAI.

This module runs on the server's Python; everything that it packs runs on Python >= 3.8 with
nothing installed. Archives are never rewritten: each lies in a folder named after its content, so
that agents and programs that were started from an older one keep it.
"""

import hashlib
import importlib.util
import marshal
import zipfile
from pathlib import Path

from hai import __version__
from hai.files import new_file

ARCHIVE_NAME = "agent.pyz"
SDK_MODULES = (
    *("__init__", "training", "control", "health"),
    *("experiments", "document", "written", "events", "plain", "profile", "routes"),
    *("loglines", "environments"),
)
_LONG_AGO = (1980, 1, 1, 0, 0, 0)  # zip's first moment
_BUILD_ONLY = frozenset({"build.py", "__main__.py"})

_MAIN = """\
import sys

from hai.agent.main import main

sys.exit(main(sys.argv[1:]))
"""

# An installed HAI (or hfai) of the user's own environment comes first, and whole: modules of two
# versions are never mixed where one of them has all.
_SHIM = """\
from pkgutil import extend_path

__path__ = [*extend_path(__path__, __name__)[len(__path__) :], *__path__]
"""
_HFAI_CLIENT = """\
import sys

import hai.client

sys.modules[__name__] = hai.client
"""


def build_agent(folder: Path) -> Path:
    """The path of an up-to-date agent.pyz below `folder`; builds it only if it is not there.

    Readable for everybody, because programs import the SDK from it. OSError if it cannot be
    written.
    """
    contents = _contents()
    digest = hashlib.sha256()
    for name, data in contents:
        digest.update(b"%s\0%d\0" % (name.encode(), len(data)))
        digest.update(data)
    path = folder / digest.hexdigest()[:16] / ARCHIVE_NAME
    if not path.is_file():
        _write(path, contents)
    return path


def _contents() -> list[tuple[str, bytes]]:
    package = Path(__file__).parent.parent
    hai_init = f'__version__ = "{__version__}"\n'
    entries = {"__main__.py": _MAIN.encode(), "hai/__init__.py": hai_init.encode()}
    for source in sorted((package / "agent").rglob("*.py")):
        if source.name not in _BUILD_ONLY:
            entries[f"hai/{source.relative_to(package).as_posix()}"] = source.read_bytes()
    compiled = {f"{name}c": _bytecode(name, data) for name, data in entries.items()}
    entries["sdk/hai/__init__.py"] = (_SHIM + hai_init).encode()
    for name in SDK_MODULES:
        entries[f"sdk/hai/client/{name}.py"] = (package / "client" / f"{name}.py").read_bytes()
    for name in ("errors", "files"):
        entries[f"sdk/hai/{name}.py"] = (package / f"{name}.py").read_bytes()
    entries["sdk/hai/client/__init__.py"] += f"\n\n{_SHIM}".encode()
    entries["sdk/hfai/__init__.py"] = _SHIM.encode()
    entries["sdk/hfai/client.py"] = _HFAI_CLIENT.encode()
    return sorted((entries | compiled).items())


def _bytecode(name: str, source: bytes) -> bytes:
    """A .pyc that is used as it is by this version of Python and ignored by all others."""
    code = compile(source, f"agent.pyz/{name}", "exec", dont_inherit=True, optimize=0)
    unchecked = 0b01
    magic = importlib.util.MAGIC_NUMBER
    check = importlib.util.source_hash(source)
    return b"".join((magic, unchecked.to_bytes(4, "little"), check, marshal.dumps(code)))


def _write(path: Path, contents: list[tuple[str, bytes]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    for searchable in (path.parent, path.parent.parent):
        searchable.chmod(0o755)
    with new_file(path, mode=0o644) as file, zipfile.ZipFile(file, "w") as archive:
        for name, data in contents:
            entry = zipfile.ZipInfo(name, _LONG_AGO)
            entry.external_attr = 0o644 << 16
            # what is read at each start is stored; a ConfigMap has room for 1 MiB
            is_read = name.endswith(".pyc")
            kind = zipfile.ZIP_STORED if is_read else zipfile.ZIP_DEFLATED
            archive.writestr(entry, data, kind)
