"""The receiver of the documentation receives."""

import asyncio
import os
import re
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from tests.serving import free_port
from tests.webhooks.hooked import Hooked

pytestmark = pytest.mark.anyio
PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "webhooks.md"


async def test_the_receiver_on_the_page_verifies_what_it_gets(hooked: Hooked) -> None:
    (program,) = re.findall(r"```python\n(.+?)```", PAGE.read_text("utf-8"), flags=re.DOTALL)
    port = free_port()
    webhook = await hooked.register(f"http://127.0.0.1:{port}/")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program,
        env={**os.environ, "WEBHOOK_SECRET": webhook["secret"], "PORT": str(port)},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        await until_it_listens(port)
        assert process.stdout is not None
        path = await hooked.api.applied()
        await hooked.note(path)
        async with asyncio.timeout(30):
            told = [(await process.stdout.readline()).decode().strip() for _ in range(2)]
        assert told == ["applied", "noted"]
        found = await hooked.until(webhook, lambda found: found["lag_events"] == 0)
        assert (found["waiting"], found["dead"]) == (0, 0)
    finally:
        process.kill()
        await process.wait()


async def until_it_listens(port: int) -> None:
    async with asyncio.timeout(30):
        while True:
            with suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                return
            await asyncio.sleep(0.05)
