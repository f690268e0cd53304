"""What a container's program may be and do, whatever runs the container. Pure."""

from dataclasses import dataclass

# Of a root agent; the program has none of them. Pod security "baseline" allows them all.
AGENT_CAPABILITIES = ("CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID")


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Who the program runs as. `as_user`: the whole container does, the agent included."""

    uid: int
    gid: int
    groups: tuple[int, ...] = ()
    as_user: bool = False
