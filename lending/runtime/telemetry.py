"""Logs and metrics: set up once by the program that starts, then used everywhere.

What belongs here: how log lines look, where they go, what is bound to them, and the registry of
metrics. What is logged or counted is said where it happens.

Log lines go to stderr. They never hold the body of a request or the data of an event.
"""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from structlog.typing import Processor

from lending.runtime.settings import LogFormat, LogLevel

# Libraries whose lines of level INFO say what we log ourselves, or nothing.
_QUIET = ("uvicorn.access", "uvicorn.error", "httpx2", "httpcore2", "asyncio", "psycopg.pool")

# Libraries whose lines, or the tracebacks with them, may repeat what a request or an answer says.
# What fails in them is logged where it is met, without that.
_SILENT = ("mcp",)


def configure_logs(log_format: LogFormat, log_level: LogLevel) -> None:
    """Send what structlog and the standard library log to stderr, in one form.

    The program calls it once, before anything is logged.
    """
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *_rendering(log_format),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(log_level.upper())
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    for name in _SILENT:
        logging.getLogger(name).setLevel(logging.CRITICAL)


def _rendering(log_format: LogFormat) -> list[Processor]:
    if log_format is LogFormat.CONSOLE:
        return [
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(),
                exception_formatter=structlog.dev.plain_traceback,
                pad_event_to=0,
            )
        ]
    # Without the values of variables, among which there may be personal data.
    traces = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
    return [structlog.processors.ExceptionRenderer(traces), structlog.processors.JSONRenderer()]


@contextmanager
def bound(**values: str) -> Iterator[None]:
    """Add these values, such as a request id, to every line logged inside the block."""
    with structlog.contextvars.bound_contextvars(**values):
        yield


def new_registry() -> CollectorRegistry:
    """A registry of metrics with those of the process itself in it; made once and passed on."""
    registry = CollectorRegistry(auto_describe=True)
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    return registry
