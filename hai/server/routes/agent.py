"""The agents' door; see hai/schema/agent.py."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from hai.schema.agent import AgentAnswer, AgentReport, Checkpoint, SdkRequest
from hai.server.deps import Bearer, Served
from hai.service.workers import parse_key

router = APIRouter(prefix="/agent", tags=["agents"])


Quiet = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class SdkRequestBody(BaseModel):
    model_config = ConfigDict(extra="ignore")

    id: str = Field(max_length=64)
    op: str = Field(max_length=64)
    value: Any = None  # judged with the request: a bad one must not cost the whole report


class CheckpointBody(BaseModel):
    model_config = ConfigDict(extra="ignore")

    at: float
    step: Annotated[int | None, Field(ge=-(2**63), lt=2**63)] = None
    path: str = ""

    def checkpoint(self) -> Checkpoint:
        return {"at": self.at, "step": self.step, "path": self.path.replace("\0", "?")[:1000]}


class ServiceBody(BaseModel):
    model_config = ConfigDict(extra="ignore")

    state: str = Field(default="", max_length=32)
    exit_code: int | None = None
    starts: int = 0


class ReportBody(BaseModel):
    """An agent may be older or newer than the server: what is unknown is ignored."""

    model_config = ConfigDict(extra="ignore")

    key: str = Field(max_length=64)
    phase: Literal["ready", "running", "exited"]
    exit_code: int | None = None
    detail: str = ""
    acked: bool = False
    saved: bool = False
    lost: bool = False
    address: str = Field(default="", max_length=255)
    port: Annotated[int, Field(ge=0, le=65535)] = 0
    usage: dict[str, float] = Field(default_factory=dict, max_length=32)
    checkpoint: CheckpointBody | None = None
    services: dict[str, ServiceBody] = Field(default_factory=dict, max_length=32)
    requests: list[SdkRequestBody] = Field(default_factory=list, max_length=100)
    seen: str = ""
    wait_seconds: float = 0.0
    quiet: dict[str, Quiet | None] | None = Field(default=None, max_length=8)

    def report(self) -> AgentReport:
        requests: list[SdkRequest] = [
            {"id": request.id, "op": request.op, "value": request.value}
            for request in self.requests
        ]
        return {
            "key": self.key,
            "phase": self.phase,
            "exit_code": self.exit_code,
            "detail": self.detail.replace("\0", "?")[:2000],
            "acked": self.acked,
            "saved": self.saved,
            "lost": self.lost,
            "address": self.address,
            "port": self.port,
            "usage": self.usage,
            "checkpoint": self.checkpoint.checkpoint() if self.checkpoint else None,
            "services": {
                name: {"state": one.state, "exit_code": one.exit_code, "starts": one.starts}
                for name, one in self.services.items()
            },
            "requests": requests,
            "seen": self.seen,
            "wait_seconds": self.wait_seconds,
            "quiet": self.quiet or {},
        }


@router.post("/sync")
async def sync(body: ReportBody, token: Bearer, served: Served) -> AgentAnswer:
    """Report, and learn what to do; a long poll."""
    served.tokens.check(parse_key(body.key), token)
    return await served.workers.sync(body.report(), served.tokens)
