"""The shell code that enters an environment and defines `deactivate`. Pure.

bash and zsh read one text. fish is another language, and its `source` does not look on PATH, so
it gets a function `haienv activate NAME` by `haienv hook fish | source`.
"""

import re
import shlex

from haienv.model import Environment, activation


def activation_code(environment: Environment) -> str:
    """Shell code to `eval`: leaves any former environment, enters this one.

    Safe under `set -eu`. A `deactivate` that was defined before (by an ordinary virtual
    environment) is kept and given back.
    """
    changes = activation(environment)
    names = [*changes.values, *changes.prefixes, *changes.removed]
    lines = [
        'if [ -n "${_haienv_active-}" ]; then deactivate; fi',
        '_haienv_outer="$(typeset -f deactivate 2>/dev/null || :)"',
        "_haienv_active=1",
        *[
            f'_haienv_old_{name}="${{{name}-}}"; _haienv_had_{name}="${{{name}+1}}"'
            for name in names
        ],
        *[f"export {name}={shlex.quote(value)}" for name, value in changes.values.items()],
        *[
            f'export {name}={shlex.quote(value)}"${{{name}:+:${{{name}}}}}"'
            for name, value in changes.prefixes.items()
        ],
        *[f"unset {name}" for name in changes.removed],
        *_prompt(environment),
        *_deactivate(names),
        "hash -r 2>/dev/null || :",
    ]
    return "\n".join(lines) + "\n"


def _prompt(environment: Environment) -> list[str]:
    prefix = shlex.quote(f"({environment.name}) ")
    return [
        '_haienv_had_PS1=""',
        'if [ -n "${PS1-}" ] && [ -z "${VIRTUAL_ENV_DISABLE_PROMPT-}" ]; then',
        '  _haienv_old_PS1="$PS1"; _haienv_had_PS1=1',
        f'  PS1={prefix}"$PS1"',
        "fi",
    ]


def _deactivate(names: list[str]) -> list[str]:
    lines = ["deactivate() {"]
    for name in names:
        lines += [
            f'  if [ -n "${{_haienv_had_{name}-}}" ]; then export {name}="$_haienv_old_{name}"',
            f"  else unset {name}; fi",
            f"  unset _haienv_old_{name} _haienv_had_{name}",
        ]
    return [
        *lines,
        '  if [ -n "${_haienv_had_PS1-}" ]; then PS1="$_haienv_old_PS1"; unset _haienv_old_PS1; fi',
        "  unset _haienv_had_PS1 _haienv_active",
        "  unset -f deactivate",
        '  if [ -n "${_haienv_outer-}" ]; then eval "$_haienv_outer"; fi',
        "  unset _haienv_outer",
        "  hash -r 2>/dev/null || :",
        "}",
    ]


SHELLS = ("bash", "zsh", "fish")
_POSIX_HOOK = """haienv() {
  case "${1-}" in
    activate)
      shift
      if _haienv_code="$(command haienv shell "$@")"; then
        eval "$_haienv_code"
        unset _haienv_code
      else
        set -- $?
        unset _haienv_code
        return "$1"
      fi
      ;;
    *) command haienv "$@" ;;
  esac
}
"""
_FISH_HOOK = """function haienv
    if test "$argv[1]" = activate
        set -l code (command haienv shell --shell fish $argv[2..-1]); or return $status
        string join \\n -- $code | source
    else
        command haienv $argv
    end
end
"""


def hook(shell: str) -> str:
    """Code for the start-up file of `shell`: it defines `haienv activate NAME`."""
    return _FISH_HOOK if shell == "fish" else _POSIX_HOOK


def fish_activation(environment: Environment) -> str:
    """What `activation_code` is for bash, for fish."""
    changes = activation(environment)
    names = [*changes.values, *changes.prefixes, *changes.removed]
    lines = ["if set -q _haienv_active; deactivate; end", "set -g _haienv_active 1"]
    lines += [f"if set -q {name}; set -g _haienv_old_{name} ${name}; end" for name in names]
    lines += [f"set -gx {name} {_fish_quoted(value)}" for name, value in changes.values.items()]
    for name, value in changes.prefixes.items():
        parts = " ".join(map(_fish_quoted, value.split(":")))
        lines.append(f"set -gx --path {name} {parts} ${name}")
    lines += [f"set -e {name}" for name in changes.removed]
    lines.append("function deactivate")
    for name in names:
        flags = "-gx --path" if name in changes.prefixes else "-gx"
        lines += [
            f"    if set -q _haienv_old_{name}; set {flags} {name} $_haienv_old_{name}",
            f"        set -e _haienv_old_{name}",
            f"    else; set -e {name}; end",
        ]
    lines += ["    set -e _haienv_active", "    functions -e deactivate", "end"]
    return "\n".join(lines) + "\n"


def _fish_quoted(text: str) -> str:
    return "'" + re.sub(r"(['\\\\])", r"\\\1", text) + "'"
