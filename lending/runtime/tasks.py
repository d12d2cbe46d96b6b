"""Background tasks that nobody forgets.

What belongs here: running something beside a block, so that neither outlives the other.
"""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any


@asynccontextmanager
async def beside(work: Coroutine[Any, Any, object]) -> AsyncIterator[None]:
    """Run `work` beside the block, and cancel it when the block ends.

    If the work fails, the block is cancelled. Whichever failed first, its error is raised as it is.
    """
    try:
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(work)
            yield
            task.cancel()
    except BaseExceptionGroup as group:
        raise group.exceptions[0] from None
