"""Workspaces of whoever asks: their twins on the shared file system, read and written by a process
of the user's own account. Bodies of chunks are packs (hai.workspace.packs)."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import ClientDisconnect

from hai.server.deps import Caller, Served
from hai.service.workspaces import WorkspaceAnswer

router = APIRouter(tags=["workspaces"])

_LONGEST_PATH = 4096
Name = Annotated[str, Path(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_-]{0,63}$")]
Text = Annotated[str, Field(max_length=_LONGEST_PATH)]
Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class PathsToRead(_Body):
    """An older client knows `paths` alone."""

    paths: list[Text] = Field(max_length=20_000)
    by_chunks: list[Text] = Field(default=[], max_length=20_000)


class OnePath(_Body):
    path: Text


class Digests(_Body):
    digests: list[Digest] = Field(max_length=20_000)


class Piece(_Body):
    path: Text
    offset: int = Field(ge=0, lt=2**63)
    length: int = Field(ge=0, le=4 * 2**20)


class Pieces(_Body):
    pieces: list[Piece] = Field(max_length=20_000)


SnapshotPart = Annotated[str, Path(pattern="^[0-9a-f]{16}$")]
SnapshotId = Annotated[str, Query(pattern="^([0-9a-f]{16})?$")]


def _json(answer: WorkspaceAnswer) -> Response:
    return Response(answer.body, media_type="application/json")


@router.get("/workspaces")
async def workspaces(user: Caller, served: Served) -> Response:
    """Your workspaces, with the times of their last pushes."""
    return _json(await served.workspaces.ask(user, "workspaces"))


@router.get("/workspaces/{name}")
async def workspace(name: Name, user: Caller, served: Served) -> Response:
    """Whether it is there, its folder, the account whose files they are, and what may be sent."""
    return _json(await served.workspaces.ask(user, "look", name))


@router.delete("/workspaces/{name}")
async def remove_workspace(name: Name, user: Caller, served: Served) -> Response:
    """Remove it with all that is in it."""
    return _json(await served.workspaces.ask(user, "destroy", name))


@router.get("/workspaces/{name}/tree")
async def tree(name: Name, user: Caller, served: Served, snapshot: SnapshotId = "") -> Response:
    """All files: path, permissions, size, mtime, ctime (ns), inode, where a link points."""
    return _json(await served.workspaces.ask(user, "tree", name, snapshot=snapshot))


@router.post("/workspaces/{name}/digests")
async def digests(
    name: Name, body: PathsToRead, user: Caller, served: Served, snapshot: SnapshotId = ""
) -> Response:
    """Digest and stamp (size, mtime, ctime, inode) of files: SHA-256, and for those `by_chunks`
    that are longer than a chunk "c1-" and the SHA-256 of the SHA-256 of all chunks of 1 MiB."""
    paths, by_chunks = body.paths, body.by_chunks
    return _json(
        await served.workspaces.ask(
            user, "digests", name, snapshot=snapshot, paths=paths, by_chunks=by_chunks
        )
    )


@router.post("/workspaces/{name}/chunks-of")
async def chunks_of(name: Name, body: OnePath, user: Caller, served: Served) -> Response:
    """SHA-256 of each chunk of a file."""
    return _json(await served.workspaces.ask(user, "chunks", name, path=body.path))


@router.post("/workspaces/{name}/missing")
async def missing(name: Name, body: Digests, user: Caller, served: Served) -> Response:
    """Which of these chunks have to be sent."""
    return _json(await served.workspaces.ask(user, "missing", name, names=body.digests))


@router.put("/workspaces/{name}/chunks")
async def put_chunks(name: Name, request: Request, user: Caller, served: Served) -> Response:
    """Keep a pack of chunks (at most 4 MiB) until files are made of them."""
    try:
        body = await request.body()
    except ClientDisconnect:  # a line that was cut is no fault here, and nobody hears the answer
        return Response(status_code=400)
    return _json(await served.workspaces.ask(user, "put", name, body=body))


@router.post("/workspaces/{name}/apply")
async def apply(name: Name, body: Digests, user: Caller, served: Served) -> Response:
    """Do what the list of changes says that these chunks hold, if the tree is still as it says."""
    return _json(await served.workspaces.ask(user, "apply", name, manifest=body.digests))


@router.post("/workspaces/{name}/read")
async def read(
    name: Name, body: Pieces, user: Caller, served: Served, snapshot: SnapshotId = ""
) -> Response:
    """Pieces of files as a pack, in this order; at most 4 MiB."""
    items = [(one.path, one.offset, one.length) for one in body.pieces]
    answer = await served.workspaces.ask(user, "read", name, snapshot=snapshot, items=items)
    return Response(answer.body, media_type="application/octet-stream")


@router.post("/workspaces/{name}/snapshots")
async def snapshot(name: Name, body: Digests, user: Caller, served: Served) -> Response:
    """Make a snapshot of the files that these chunks name; its id and folder. Old ones that no
    task of yours may run any more are collected."""
    keep = await served.workspaces.in_use(user)
    return _json(
        await served.workspaces.ask(user, "snapshot", name, manifest=body.digests, keep=keep)
    )


@router.get("/snapshots")
async def snapshots(user: Caller, served: Served) -> dict[str, list[str]]:
    """The snapshots that your tasks may still run."""
    return {"in_use": await served.workspaces.in_use(user)}


@router.get("/workspaces/{name}/snapshots/{snapshot}")
async def snapshot_files(
    name: Name, snapshot: SnapshotPart, user: Caller, served: Served
) -> Response:
    """The files of a snapshot: permissions, SHA-256, where a link points."""
    return _json(await served.workspaces.ask(user, "entries", name, snapshot_id=snapshot))
