"""A process that uses an embedded PostgreSQL, for tests that kill such processes.

It prints one JSON line (the URL and the server's process number, or the error), then works until
its standard input is closed, and stops as a service would.
"""

import asyncio
import json
import sys
from pathlib import Path

from lending.runtime.embedded import EmbeddedPostgres, EmbeddedPostgresError
from lending.runtime.settings import LogFormat, LogLevel
from lending.runtime.telemetry import configure_logs


async def main(data_dir: str) -> None:
    """Use the server in `data_dir` until standard input ends."""
    configure_logs(LogFormat.CONSOLE, LogLevel.INFO)
    server = EmbeddedPostgres(Path(data_dir))
    try:
        url = await server.start()
    except EmbeddedPostgresError as fault:
        print(json.dumps({"error": type(fault).__name__, "text": str(fault)}), flush=True)  # noqa: T201
        return
    adopted = server.state.adopted
    print(json.dumps({"url": url, "pid": server.process_id, "adopted": adopted}), flush=True)  # noqa: T201
    watch = asyncio.create_task(server.supervise())
    await asyncio.to_thread(sys.stdin.read)
    watch.cancel()
    await server.stop()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
