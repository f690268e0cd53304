"""The HTTP application over ready-made services."""

from fastapi import FastAPI

from hai import __version__
from hai.server import errors
from hai.server.deps import Services
from hai.server.middleware import Doorkeeper, Envelope
from hai.server.routes import (
    admin,
    agent,
    arrays,
    channels,
    dashboard,
    description,
    door,
    environments,
    health,
    rows,
    scheduler,
    streams,
    tasks,
    why,
    workspaces,
)

API = "/api/v1"


def build_app(services: Services) -> FastAPI:
    """The API of one server; what the services stand on is opened around it (compose.opened)."""
    app = FastAPI(
        title="HAI",
        version=__version__,
        summary="Time-sharing training platform for GPU clusters",
        docs_url=None,  # FastAPI's own pages load their scripts from a third party
        redoc_url=None,
    )
    app.state.services = services
    app.add_middleware(Envelope, doorkeeper=Doorkeeper(services))
    errors.install(app)
    app.include_router(health.router)
    if not services.role.serves:
        return app  # nobody but probes and monitors is answered
    app.include_router(description.router)
    pages = (tasks, why, arrays, streams, dashboard, admin, rows, scheduler, agent, channels)
    for module in (*pages, workspaces, environments):
        app.include_router(module.router, prefix=API, responses=errors.RESPONSES)
    app.include_router(door.router, prefix=API, responses=errors.RESPONSES)
    if services.door is not None:
        app.include_router(door.known)  # last: it takes what nothing else does
    return app
