"""For probes and monitors; no token needed."""

from fastapi import APIRouter
from starlette.responses import JSONResponse, Response

from hai import __version__
from hai.errors import Unavailable
from hai.server.deps import Served
from hai.server.metrics import exposition

router = APIRouter(tags=["health"])


@router.get("/health")
@router.get("/healthz", include_in_schema=False)
async def health(served: Served) -> dict[str, str]:
    """The process answers. `environments`: whether nodes want those of tasks packed."""
    environments = "packed" if served.packs_environments else "in place"
    return {"status": "ok", "version": __version__, "environments": environments}


@router.get("/ready")
@router.get("/readyz", include_in_schema=False)
async def ready(served: Served) -> JSONResponse:
    """It can do the work of its role: the database answers. 503 otherwise. A control process that
    waits for the lease is ready too: `leads` says which one has it. A bus that is down slows the
    platform and stops nothing."""
    loops = {
        name: {"turns": figures.runs, "failures": figures.failures, "error": figures.last_error}
        for name, figures in served.supervisor.figures.items()
    }
    body = {
        "status": "ready",
        "version": __version__,
        "role": served.role.value,
        "leads": served.monitoring.leads,
        "bus": "down" if served.bus.connected_since is None else "up",
        "loops": loops,
    }
    try:
        await served.monitoring.check_database()
    except Unavailable as error:
        return JSONResponse({**body, "status": "database down", "error": error.message}, 503)
    return JSONResponse(body)


@router.get("/metrics")
async def metrics(served: Served) -> Response:
    """Prometheus text format."""
    text = await exposition(served)
    return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")
