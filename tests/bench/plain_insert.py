"""The endpoint the ledger is measured beside: FastAPI, a psycopg pool, INSERT, commit.

What belongs here: the smallest lending service one can write, and nothing that the ledger adds to
it. It says its URL on its standard output, and serves until its standard input ends.
"""

import asyncio
from decimal import Decimal
from typing import Any

import uvloop
from fastapi import FastAPI
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool
from pydantic import BaseModel

from lending.runtime.children import parent_gone
from lending.runtime.settings import load_settings
from lending.runtime.web import HttpServer, listen, url_of

_TABLE = """
create table if not exists public.plain_applications (
    id bigint generated always as identity primary key,
    applicant_id text not null, amount numeric not null, term_months integer, income numeric,
    purpose text, status text not null default 'pending', created_at timestamptz not null default now())
"""
_INSERT = """
insert into public.plain_applications (applicant_id, amount, term_months, income, purpose)
values (%s, %s, %s, %s, %s) returning id
"""


class Application(BaseModel):
    """The body of the request."""

    applicant_id: str
    amount: Decimal
    term_months: int | None = None
    income: Decimal | None = None
    purpose: str | None = None


def plain_app(pool: AsyncConnectionPool[AsyncConnection]) -> FastAPI:
    """The application over an open pool."""
    app = FastAPI(telemetry={"tracing": False, "metrics": False, "logs": False})

    @app.post("/loan/applications", status_code=201)
    async def apply(given: Application) -> dict[str, Any]:
        async with pool.connection() as connection:
            values = tuple(given.model_dump().values())
            row = await (await connection.execute(_INSERT, values)).fetchone()
        assert row is not None
        return {"application_id": row[0], "status": "stored"}

    return app


async def _serve() -> None:
    settings = load_settings()
    assert settings.database_url is not None
    pool = AsyncConnectionPool(settings.database_url, min_size=10, max_size=10, open=False)
    with listen(settings.host, 0) as listener:
        async with pool:
            async with pool.connection() as connection:
                await connection.execute(_TABLE)
            url = url_of(listener)
            server = HttpServer(plain_app(pool), on_started=lambda: print(url, flush=True))
            serving = asyncio.create_task(server.serve(sockets=[listener]))
            await parent_gone()
            server.stop()
            await serving


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve())
