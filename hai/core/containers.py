"""What a container's program may be, do and reach, whatever runs the container. Pure."""

from dataclasses import dataclass

# Of a root agent; the program has none of them. Pod security "baseline" allows them all.
AGENT_CAPABILITIES = ("CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID")

GATEWAY = "{gateway}"  # in a server's URL: its machine, as a container's own network sees it


@dataclass(frozen=True, slots=True, kw_only=True)
class RunAs:
    """Who the program runs as. `as_user`: the whole container does, the agent included."""

    uid: int
    gid: int
    groups: tuple[int, ...] = ()
    as_user: bool = False
