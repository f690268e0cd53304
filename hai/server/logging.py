"""Structured logs: one event name and fields per record, JSON or console, on stderr."""

import logging
import sys
from typing import Any

import structlog

from hai.errors import InvalidInput

_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}


def setup_logging(level: str, *, json_format: bool) -> None:
    """Send structlog's and the standard library's records to stderr in one format."""
    if level not in _LEVELS:
        raise InvalidInput(
            f"[logs] level: {level!r} is no level", hint=f"choose one of {', '.join(_LEVELS)}"
        )
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        cache_logger_on_first_use=True,
    )
    render: Any = (
        structlog.processors.JSONRenderer()
        if json_format
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, render],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(_LEVELS[level])
    # uvicorn's own lines say what ours say already
    logging.getLogger("uvicorn.access").disabled = True
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    logging.getLogger("httpx2").setLevel(logging.WARNING)  # each request to a Docker engine
    logging.getLogger("psycopg.pool").setLevel(logging.ERROR)
