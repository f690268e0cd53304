"""The shell code (bash and zsh) that enters an environment and defines `deactivate`. Pure."""

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
