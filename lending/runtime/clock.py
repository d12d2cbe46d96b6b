"""The clock of the event loop, by which whoever waits in it counts. Times on record are another's."""

import asyncio


def loop_seconds() -> float:
    """Seconds of the running loop's clock, which only goes forward."""
    return asyncio.get_running_loop().time()
