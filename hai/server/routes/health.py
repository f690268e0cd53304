"""For probes and monitors; no token needed."""

from fastapi import APIRouter
from starlette.responses import JSONResponse, Response

from hai import __version__
from hai.errors import Unavailable
from hai.server.deps import Served
from hai.server.metrics import exposition

router = APIRouter(tags=["health"])


@router.get("/health")
async def health() -> dict[str, str]:
    """The process answers."""
    return {"status": "ok", "version": __version__}


@router.get("/ready")
async def ready(served: Served) -> JSONResponse:
    """It can serve: the database answers. 503 otherwise."""
    loops = {
        name: {"turns": figures.turns, "failures": figures.failures, "error": figures.last_error}
        for name, figures in served.supervisor.figures.items()
    }
    body = {"status": "ready", "version": __version__, "loops": loops}
    try:
        await served.store.ping()
    except Unavailable as error:
        return JSONResponse({**body, "status": "database down", "error": error.message}, 503)
    return JSONResponse(body)


@router.get("/metrics")
async def metrics(served: Served) -> Response:
    """Prometheus text format."""
    text = await exposition(served.store, served.board, served.supervisor)
    return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")
