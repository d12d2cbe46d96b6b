"""`lending mcp`: the tools for models on standard input and output, for a client that starts us itself."""

import asyncio

from lending.runtime.settings import load_settings
from lending.runtime.telemetry import configure_logs


def mcp() -> None:
    """Offer the ledger's tools to a model, on standard input and output (MCP)."""
    from lending.cli.stdio import run_on_stdio

    settings = load_settings()
    configure_logs(settings.log_format, settings.log_level)
    asyncio.run(run_on_stdio(settings))
