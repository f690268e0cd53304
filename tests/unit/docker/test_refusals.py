"""Which of an engine's refusals are for ever; the messages are those of real engines."""

import pytest

from hai.launcher.docker.refusals import is_hopeless, is_passing

_OCI = "OCI runtime create failed: runc create failed: unable to start container process: "


@pytest.mark.parametrize(
    "message",
    [
        f'{_OCI}exec: "python3": executable file not found in $PATH: unknown',
        f'{_OCI}exec: "/opt/python": stat /opt/python: no such file or directory: unknown',
        f'{_OCI}exec: "/opt/python": permission denied: unknown',
        f'{_OCI}error mounting "/a" to rootfs at "/b": mount /a:/b: not a directory: unknown',
        "error while creating mount source path '/a/b': mkdir /a/b: permission denied",
        'could not select device driver "nvidia" with capabilities: [[gpu]]',
    ],
)
def test_of_what_was_asked_for(message: str) -> None:
    assert is_hopeless(message)


@pytest.mark.parametrize(
    "message",
    [
        # an engine that was told to stop and still takes requests
        "failed to update store for object type *libnetwork.endpoint: open : "
        "no such file or directory",
        "error creating overlay mount to /var/lib/docker/overlay2/x/merged: "
        "no such file or directory",
        'connection error: desc = "transport: Error while dialing dial unix '
        '/run/containerd/containerd.sock: connect: no such file or directory": unavailable',
        "failed to create shim task: open /run/containerd/x/init.pid: permission denied: unknown",
        "ttrpc: closed: unknown",
    ],
)
def test_of_the_engines_own_trouble(message: str) -> None:
    assert not is_hopeless(message)


def test_what_a_stopping_engine_left() -> None:
    message = "endpoint with name hai-1df059f1-6-2-1 already exists in network hai-1df059f1-6-2"
    assert is_passing(message)
    assert not is_hopeless(message)
