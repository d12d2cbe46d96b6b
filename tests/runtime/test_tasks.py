"""Work beside a block: neither outlives the other, and errors arrive as they are."""

import asyncio

import pytest

from lending.runtime.tasks import beside


async def test_the_work_ends_with_the_block() -> None:
    ended = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async with beside(work()):
        await asyncio.sleep(0.01)
        assert not ended.is_set()
    assert ended.is_set()


async def test_an_error_of_the_block_arrives_as_it_is() -> None:
    with pytest.raises(KeyError):
        async with beside(asyncio.sleep(60)):
            raise KeyError


async def test_an_error_of_the_work_ends_the_block() -> None:
    async def work() -> None:
        raise KeyError

    with pytest.raises(KeyError):
        async with beside(work()):
            await asyncio.sleep(60)


async def test_cancelling_reaches_both() -> None:
    async def block() -> None:
        async with beside(asyncio.sleep(60)):
            await asyncio.sleep(60)

    task = asyncio.create_task(block())
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
