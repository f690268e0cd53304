"""/environments: those of haienv that one's own tasks recorded."""

from fastapi import APIRouter

from hai.schema.views import EnvironmentList
from hai.server.deps import Caller, Served

router = APIRouter(prefix="/environments", tags=["tasks"])


@router.get("")
async def environments(user: Caller, served: Served) -> EnvironmentList:
    """The environments of haienv that the caller's last 500 tasks recorded, each once, the one that
    was used last first; 100 at most. `options` are those of a run document that takes it again."""
    return {"schema_version": 1, "environments": await served.views.environments(user.name)}
