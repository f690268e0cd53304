"""Where environments lie, and which there are.

    <root>/<name>/haienv.json      written last, so an environment is there whole or not at all
    <root>/<name>/haienv.sh        the same for its owner's shell, which then needs no Python
    <root>/.lock                   held while one is made, changed or removed

There is no catalogue that could go stale: the directories are the index. A root is $HAIENV_PATH
(that of another user lies beside it: $HAIENV_PATH/../<user>) or else ~/.hai/envs.
"""

import json
import os
import pwd
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from hai import files
from hai.errors import Denied, InvalidInput, NotFound, PlatformError
from haienv.model import Environment, environment_from, parse_reference
from haienv.shell import activation_code

FILE_NAME = "haienv.json"
SHELL_FILE_NAME = "haienv.sh"
PACKS = ".packs"  # in a root: packs of environments, and promises of them


@dataclass(frozen=True, slots=True)
class Index:
    """The environments that `user` sees; `shared` is the folder of all users' roots, if any."""

    user: str
    root: Path
    shared: Path | None

    @classmethod
    def of_process(cls, variables: Mapping[str, str] = os.environ) -> "Index":
        """As the environment variables and the uid of this process say."""
        user = _own_name(variables)
        given = variables.get("HAIENV_PATH", "")
        if not given:
            return cls(user, Path.home() / ".hai" / "envs", None)
        if not given.startswith("/"):
            raise InvalidInput(f"HAIENV_PATH is {given!r}", hint="set it to an absolute path")
        root = Path(os.path.normpath(given))
        return cls(user, root, root.parent)

    def root_of(self, owner: str | None) -> Path:
        """The folder of `owner`'s environments. Raises NotFound for an unknown user."""
        if owner is None or owner == self.user:
            return self.root
        if "/" in owner or owner.startswith("."):
            raise InvalidInput(f"{owner[:80]!r} cannot be a user", hint="give a user's name")
        if self.shared:
            return self.shared / owner
        try:
            return Path(pwd.getpwnam(owner).pw_dir) / ".hai" / "envs"
        except KeyError:
            raise NotFound(
                f"no user {owner!r}", hint="haienv list -a shows all you can see"
            ) from None

    def owners(self) -> list[str]:
        """Everybody who has a folder of environments that can be seen from here, in order."""
        if self.shared:
            folders = _listing(self.shared) if self.shared.is_dir() else []
            found = {path.name for path in folders if not path.name.startswith(".")} - {
                self.root.name
            }
        else:
            found = {one.pw_name for one in pwd.getpwall() if _is_dir(one.pw_dir, ".hai", "envs")}
        return sorted(found | {self.user})

    def environments(self, owner: str | None = None) -> list[Environment]:
        """All sound environments of `owner`, by name. Raises NotFound, Denied."""
        found = []
        for path in self._folders(owner):
            with suppress(PlatformError):  # `find` names what is wrong with it
                found.append(read(path, owner or self.user))
        return found

    def find(self, reference: str, owner: str | None = None) -> Environment:
        """The environment `name` or `name[owner]`. Raises NotFound with the nearest name."""
        name, owner = parse_reference(reference, owner)
        path = self.root_of(owner) / name
        try:
            if (path / FILE_NAME).exists():
                return read(path, owner or self.user)
        except PermissionError as error:
            raise _denied(path, error) from error
        whose = f"{owner} has" if owner and owner != self.user else "you have"
        import difflib

        near = difflib.get_close_matches(name, [one.name for one in self._folders(owner)], n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"haienv create {name}"
        if not near and owner and owner != self.user:
            hint = f"haienv list -u {owner} shows what there is"
        raise NotFound(f"{whose} no environment {name!r}", hint=hint)

    def _folders(self, owner: str | None) -> list[Path]:
        root = self.root_of(owner)
        try:
            return [path for path in _listing(root) if (path / FILE_NAME).exists()]
        except FileNotFoundError:
            return []
        except NotADirectoryError as error:
            raise InvalidInput(
                f"{root} cannot be a folder: a file is in the way", hint="mend HAIENV_PATH"
            ) from error
        except PermissionError as error:
            raise _denied(root, error) from error

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Waits for the only right to make, change or remove one's own environments."""
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            lock = files.open_lock(self.root / ".lock", owners=files.trusted_owners())
        except OSError as error:
            raise Denied(
                f"cannot write in {self.root}: {error.strerror}",
                hint="set HAIENV_PATH to a folder of your own on the shared file system",
            ) from error
        with files.held(lock):
            yield


def read(path: Path, owner: str) -> Environment:
    """The environment in `path`. Raises PlatformError if its haienv.json is no good."""
    try:
        document = json.loads((path / FILE_NAME).read_text(encoding="utf-8"))
    except PermissionError as error:
        raise _denied(path, error) from error
    except (OSError, ValueError) as error:
        raise PlatformError(
            f"{path / FILE_NAME} cannot be read: {error}",
            hint="remove the environment and make it anew",
        ) from error
    return environment_from(document, path, owner)


def write(environment: Environment) -> None:
    """Writes haienv.json in one piece: a reader finds the old one or the new one.

    After it comes what its owner's shell reads; an older one of those is not used.
    """
    text = json.dumps(environment.document(), indent=2, ensure_ascii=False) + "\n"
    replace_text(environment.path / FILE_NAME, text)
    replace_text(environment.path / SHELL_FILE_NAME, activation_code(environment))


def replace_text(path: Path, text: str) -> None:
    """Puts `text` in `path` atomically, readable by all as the umask allows."""
    files.write_whole(path, text, mode=None)


def _listing(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir())


def _is_dir(*parts: str) -> bool:
    try:
        return Path(*parts).is_dir()
    except OSError:  # a home that is closed to us
        return False


def _denied(path: Path, error: OSError) -> Denied:
    return Denied(
        f"cannot read {path}: {error.strerror}",
        hint="ask its owner to open the folder (chmod o+rx), or to use a shared HAIENV_PATH",
    )


def _own_name(variables: Mapping[str, str]) -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:  # a container that does not know its user
        return variables.get("HAI_USER") or variables.get("USER") or str(os.geteuid())
