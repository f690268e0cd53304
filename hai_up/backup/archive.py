"""The file of a backup: a zip, 0600, whole or not there.

manifest.json    what it is, and the checksum of each other member
database.gz      hai.store.transfer.format
secrets.json     of the place it was taken at
config/NAME      its configuration
"""

import hashlib
import json
import secrets
import shutil
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

from hai.core.moments import file_time, rfc3339
from hai.errors import Conflict, InvalidInput
from hai.files import new_file
from hai.store.transfer.format import Header
from hai_up.files import os_error

FORMAT = 1
KIND = "hai-backup"
DATABASE, SECRETS, MANIFEST, CONFIG = "database.gz", "secrets.json", "manifest.json", "config/"
_MEMBER_BYTES = 2**24  # of one that is read into memory
_PIECE_BYTES = 2**20
_HINT = "take another backup: this file was not written to its end, or was changed"


@dataclass(frozen=True, slots=True)
class Manifest:
    """`version`: of HAI, with its revision; `schema`: the number of the last migration;
    `provider`: local, k8s, ...; `place`: what people call it; `date`: ISO 8601, UTC."""

    kind: str
    format: int
    version: str
    schema: int
    provider: str
    place: str
    date: str
    sha256: dict[str, str]


@dataclass(frozen=True, slots=True)
class Contents:
    """What a provider gives for a backup, besides the database."""

    provider: str
    place: str
    config: Mapping[str, str]
    secrets: Mapping[str, str]


def default_name(header: Header) -> str:
    return f"hai-backup-{file_time(header.taken_at)}.zip"


def write_archive(path: Path, header: Header, database: Path, contents: Contents) -> None:
    """Conflict: there is such a file. Nobody else can read it, from its first byte on."""
    parts = {f"{CONFIG}{name}": text.encode() for name, text in contents.config.items()}
    parts[SECRETS] = json.dumps(dict(contents.secrets), sort_keys=True).encode()
    sums = {name: hashlib.sha256(data).hexdigest() for name, data in parts.items()}
    with database.open("rb") as dump:
        sums[DATABASE] = hashlib.file_digest(dump, "sha256").hexdigest()
    manifest = Manifest(
        KIND,
        FORMAT,
        header.version,
        header.schema,
        contents.provider,
        contents.place,
        rfc3339(header.taken_at, "seconds"),
        dict(sorted(sums.items())),
    )
    parts[MANIFEST] = json.dumps(asdict(manifest), indent=1, sort_keys=True).encode()
    with _new_file(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(parts, key=lambda name: name != MANIFEST):
            archive.writestr(_private(name), parts[name])
        archive.write(database, DATABASE, zipfile.ZIP_STORED)  # is compressed already


def _private(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = 0o600 << 16
    info.compress_type = zipfile.ZIP_DEFLATED
    return info


@contextmanager
def _new_file(path: Path) -> Iterator[IO[bytes]]:
    """Under its name once it is whole and on the disk."""
    try:
        with new_file(path, sync=True, replaces=False) as file:
            yield file
    except FileExistsError as error:
        raise Conflict(f"{path} exists already", hint="name another file, or remove it") from error
    except OSError as error:
        raise os_error(f"cannot write {path}", error) from error


class Archive:
    """A file whose checksums are right."""

    def __init__(self, path: Path, archive: zipfile.ZipFile, manifest: Manifest) -> None:
        self.path = path
        self.manifest = manifest
        self._archive = archive

    @contextmanager
    def database(self) -> Iterator[BinaryIO]:
        with self._archive.open(DATABASE) as stream:
            yield cast("BinaryIO", stream)

    @property
    def database_bytes(self) -> int:
        return self._archive.getinfo(DATABASE).file_size

    def config(self, name: str) -> str | None:
        """None: the backup has no such file."""
        known = f"{CONFIG}{name}" in self.manifest.sha256
        return self._archive.read(f"{CONFIG}{name}").decode() if known else None

    def secrets(self) -> dict[str, str]:
        return dict(json.loads(self._archive.read(SECRETS)))


# What zipfile raises for bytes that are none of its own.
_SPOILT = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError)


@contextmanager
def opened(path: Path) -> Iterator[Archive]:
    """InvalidInput: there is none, it is damaged, or of a newer format."""
    with ExitStack() as stack:
        try:
            archive = stack.enter_context(zipfile.ZipFile(path))
            manifest = _manifest_of(path, archive)
            _check_sums(path, archive, manifest)
        except FileNotFoundError as error:
            raise InvalidInput(f"there is no file {path}", hint="hai-up backup FILE") from error
        except _SPOILT as error:
            raise InvalidInput(f"{path} is no backup, or damaged: {error}", hint=_HINT) from error
        except OSError as error:
            raise os_error(f"cannot read {path}", error) from error
        yield Archive(path, archive, manifest)


def _manifest_of(path: Path, archive: zipfile.ZipFile) -> Manifest:
    try:
        values: dict[str, Any] = json.loads(_read(archive, MANIFEST))
        if values["kind"] != KIND:
            raise KeyError("kind")
        if values["format"] > FORMAT:
            raise InvalidInput(
                f"{path} has format {values['format']}, and this HAI knows up to {FORMAT}",
                hint="restore it with a newer HAI: hai-up upgrade --tools",
            )
        return Manifest(**{one.name: values[one.name] for one in fields(Manifest)})
    except (KeyError, ValueError, TypeError) as error:
        raise InvalidInput(f"{path} is no backup of HAI", hint="hai-up backup FILE") from error


def _read(archive: zipfile.ZipFile, name: str) -> bytes:
    with archive.open(name) as stream:
        return stream.read(_MEMBER_BYTES)


def _check_sums(path: Path, archive: zipfile.ZipFile, manifest: Manifest) -> None:
    names = {name for name in archive.namelist() if name != MANIFEST}
    if names != manifest.sha256.keys() or not {DATABASE, SECRETS} <= names:
        raise InvalidInput(f"{path} is damaged: it does not hold what it says", hint=_HINT)
    for name, wanted in manifest.sha256.items():
        digest = hashlib.sha256()
        with archive.open(name) as stream:
            while piece := stream.read(_PIECE_BYTES):
                digest.update(piece)
        too_long = name != DATABASE and archive.getinfo(name).file_size > _MEMBER_BYTES
        if digest.hexdigest() != wanted or too_long:
            raise InvalidInput(f"{path} is damaged: {name} was changed", hint=_HINT)


@contextmanager
def scratch_beside(path: Path) -> Iterator[Path]:
    """A private folder on the same disk, for a dump on its way into or out of an archive."""
    folder = path.parent / f".hai-backup-{secrets.token_hex(4)}"
    try:
        folder.mkdir(mode=0o700)
    except OSError as error:
        raise os_error(f"cannot write in {path.parent}", error) from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
