"""`lending serve`: the HTTP API, the worker beside it, and PostgreSQL unless one is given."""

import asyncio
from typing import Annotated

import typer

from lending.runtime.settings import load_settings
from lending.runtime.telemetry import configure_logs


def serve(
    host: Annotated[
        str | None, typer.Option(help="The address to serve on.  [default: 127.0.0.1]")
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(help="The port; 0 takes a free one.  [default: 8000]", min=0, max=65535),
    ] = None,
    no_worker: Annotated[
        bool, typer.Option("--no-worker", help="Leave the read models to `lending worker`.")
    ] = False,
) -> None:
    """Serve the ledger on this machine, until SIGTERM or Ctrl-C."""
    import uvloop

    from lending.cli.service import run_until_stopped

    settings = load_settings(host=host, port=port, worker=False if no_worker else None)
    configure_logs(settings.log_format, settings.log_level)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run_until_stopped(settings))
