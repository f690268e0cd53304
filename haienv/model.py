"""What an environment is, and what entering one changes. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hai.errors import InvalidInput, PlatformError

SCHEMA_VERSION = 1

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_REFERENCE = re.compile(r"(?P<name>[^\[\]]*)\[(?P<owner>[^\[\]]*)\]")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# These carry the environment itself; --extra-search-* add to the two search paths.
_RESERVED = frozenset(
    {"PATH", "PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "HF_ENV_NAME", "HF_ENV_OWNER", "PS1"}
    | {"HF_ENV_PATH", "HAIENV_PATH"}
)


@dataclass(frozen=True, slots=True)
class Extras:
    """What a user adds to an environment beside its packages."""

    search_dirs: tuple[str, ...] = ()  # on sys.path
    search_bin_dirs: tuple[str, ...] = ()  # on PATH
    variables: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for directory in (*self.search_dirs, *self.search_bin_dirs):
            if not directory.startswith("/") or any(c in directory for c in ":\n\0"):
                raise InvalidInput(
                    f"{directory!r} cannot be a search directory",
                    hint="give an absolute path without ':' and line breaks",
                )
        for name, value in self.variables.items():
            check_variable(name, value)

    def joined(self, other: "Extras") -> "Extras":
        """These and `other`, each directory once; a variable of `other` wins."""
        return Extras(
            tuple(dict.fromkeys([*self.search_dirs, *other.search_dirs])),
            tuple(dict.fromkeys([*self.search_bin_dirs, *other.search_bin_dirs])),
            {**self.variables, **other.variables},
        )


@dataclass(frozen=True, slots=True)
class Environment:
    """One environment: the directory `path` is a virtual environment, with a haienv.json in it."""

    name: str
    owner: str
    path: Path
    python: str  # version, as 3.11.7
    extends: str | None  # prefix of the Python whose packages it sees; None: none
    created_at: str  # RFC 3339
    extras: Extras = Extras()

    @property
    def bin_dir(self) -> Path:
        return self.path / "bin"

    @property
    def site_dir(self) -> Path:
        return self.path / "lib" / f"python{minor_of(self.python)}" / "site-packages"

    def document(self) -> dict[str, object]:
        """The content of haienv.json. The path is where the file lies, so it is not in it."""
        return {
            "schema_version": SCHEMA_VERSION,
            "name": self.name,
            "owner": self.owner,
            "python": self.python,
            "extends": self.extends,
            "created_at": self.created_at,
            "extra_search_dir": list(self.extras.search_dirs),
            "extra_search_bin_dir": list(self.extras.search_bin_dirs),
            "extra_environment": dict(self.extras.variables),
        }


@dataclass(frozen=True, slots=True)
class Activation:
    """Changes to the variables of a shell or process: set, put in front of, remove."""

    values: Mapping[str, str]
    prefixes: Mapping[str, str]  # of ':'-separated variables
    removed: tuple[str, ...]

    def joined(self, variables: Mapping[str, str]) -> dict[str, str]:
        """The new values; a prefix goes before what `variables` have."""
        prefixed = {
            name: ":".join(filter(None, [prefix, variables.get(name, "")]))
            for name, prefix in self.prefixes.items()
        }
        return {**self.values, **prefixed}


def activation(environment: Environment) -> Activation:
    """What entering `environment` changes."""
    bins = (str(environment.bin_dir), *environment.extras.search_bin_dirs)
    prefixes = {"PATH": ":".join(bins)}
    if environment.extras.search_dirs:
        prefixes["PYTHONPATH"] = ":".join(environment.extras.search_dirs)
    values = {
        **environment.extras.variables,
        "VIRTUAL_ENV": str(environment.path),
        "HF_ENV_NAME": environment.name,
        "HF_ENV_OWNER": environment.owner,
        "HF_ENV_PATH": str(environment.path),
    }
    return Activation(values, prefixes, ("PYTHONHOME",))


def environment_from(document: object, path: Path, owner: str) -> Environment:
    """The environment in `path`, from its haienv.json. Raises PlatformError if that is no good."""
    try:
        if not isinstance(document, dict):
            raise TypeError("no JSON object")
        version = document["schema_version"]
        if not isinstance(version, int) or version > SCHEMA_VERSION:
            raise PlatformError(
                f"{path} was made by a newer haienv", hint="update HAI, then try again"
            )
        return Environment(
            name=check_name(path.name),
            owner=owner,
            path=path,
            python=str(document["python"]),
            extends=None if document["extends"] is None else str(document["extends"]),
            created_at=str(document["created_at"]),
            extras=Extras(
                tuple(map(str, document["extra_search_dir"])),
                tuple(map(str, document["extra_search_bin_dir"])),
                {str(k): str(v) for k, v in document["extra_environment"].items()},
            ),
        )
    except (KeyError, TypeError, AttributeError, InvalidInput) as error:
        raise PlatformError(
            f"{path}/haienv.json is damaged: {error}",
            hint="remove the environment and make it anew",
        ) from error


def check_name(name: str) -> str:
    """`name`, if an environment may be called that; InvalidInput otherwise."""
    if not _NAME.fullmatch(name):
        raise InvalidInput(
            f"{name[:80]!r} cannot be the name of an environment",
            hint="use up to 64 letters, digits, '_', '-' and '.', a letter or digit first",
        )
    return name


def check_variable(name: str, value: str) -> None:
    """Raises InvalidInput unless `name` and `value` may be an extra environment variable."""
    if not _VARIABLE.fullmatch(name) or "\0" in value:
        raise InvalidInput(f"{name[:80]!r} is no name of a variable", hint="give KEY=VALUE")
    if name in _RESERVED:
        raise InvalidInput(
            f"{name} is set by haienv itself",
            hint="--extra-search-bin-dir adds to PATH, --extra-search-dir to Python's search path",
        )


def parse_variable(text: str) -> tuple[str, str]:
    """KEY=VALUE as a pair. Raises InvalidInput."""
    name, separator, value = text.partition("=")
    if not separator:
        raise InvalidInput(f"{text[:80]!r} is not KEY=VALUE", hint="as in OMP_NUM_THREADS=1")
    check_variable(name, value)
    return name, value


def parse_reference(text: str, owner: str | None = None) -> tuple[str, str | None]:
    """`name` or `name[owner]` as (name, owner). Raises InvalidInput, also for two owners."""
    match = _REFERENCE.fullmatch(text)
    if not match:
        return check_name(text), owner
    named = match["owner"]
    if not named or (owner is not None and owner != named):
        raise InvalidInput(
            f"{text[:80]!r} does not name one owner", hint="give NAME -u USER or 'NAME[USER]'"
        )
    return check_name(match["name"]), named


def minor_of(version: str) -> str:
    """3.11 of 3.11.7."""
    return ".".join(version.split(".")[:2])
