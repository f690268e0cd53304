"""Which failed starts no second try will mend, by the engine's words. Pure.

An engine says HTTP 500 of an image that can never run and of its own trouble alike, and words such
as "no such file or directory" stand in both: an engine that stops says them of its own store.
"""

_ALWAYS = (
    *("executable file not found", "could not select device driver", "invalid mount config"),
    *("exec format error", "unknown capability", "minimum memory limit", "are mounting a"),
    *("range of cpus is from", "unknown device"),
)
_OF_WHAT_WAS_ASKED = ('exec: "', "error mounting", "creating mount source path")
_WITH_IT = ("no such file or directory", "permission denied", "not a directory")


# What a stopping engine left half done; it is said with a status that blames the request.
_PASSING = ("already exists in network",)


def is_passing(message: str) -> bool:
    """True whatever the status: a later attempt has a network of its own."""
    return _has(message.lower(), _PASSING)


def is_hopeless(message: str) -> bool:
    """False: the engine may do it later."""
    words = message.lower()
    if _has(words, _OF_WHAT_WAS_ASKED) and _has(words, _WITH_IT):
        return True
    return _has(words, _ALWAYS)


def _has(words: str, some: tuple[str, ...]) -> bool:
    return any(one in words for one in some)
