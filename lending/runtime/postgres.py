"""Connections to PostgreSQL, the same in every process: role, time zone, time-outs, keepalives.

What belongs here: how a connection is opened and what server is good enough. What does not: SQL
about the ledger.
"""

import asyncio
import select
from collections.abc import Mapping
from typing import Any
from weakref import WeakKeyDictionary

from psycopg import AsyncConnection, OperationalError
from psycopg.conninfo import conninfo_to_dict
from psycopg_pool import AsyncConnectionPool

from lending.runtime import limits
from lending.runtime.errors import OperatorError

Connection = AsyncConnection[tuple[Any, ...]]
Pool = AsyncConnectionPool[Connection]

SERVICE_ROLE = "lending_service"
PROJECTOR_ROLE = "lending_projector"
SEALER_ROLE = "lending_sealer"
AUDITOR_ROLE = "lending_auditor"
OWNER_ROLE = "lending_owner"
ANALYST_ROLE = "lending_analyst"
ERASER_ROLE = "lending_eraser"

_NETWORK = {
    "connect_timeout": limits.CONNECT_TIMEOUT_SECONDS,
    "keepalives": 1,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 25_000,
}
_SESSION = {
    "timezone": "UTC",
    "statement_timeout": f"{limits.STATEMENT_TIMEOUT_SECONDS}s",
    "lock_timeout": f"{limits.LOCK_TIMEOUT_SECONDS}s",
    "idle_in_transaction_session_timeout": f"{limits.IDLE_IN_TRANSACTION_TIMEOUT_SECONDS}s",
    # The server's side of the same thing: a client that vanished must not keep its locks.
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
}


class UnsupportedServer(OperatorError):
    """The PostgreSQL server is older than the ledger supports."""


class CannotConnect(OperatorError):
    """The database cannot be reached, or does not let us in."""


def parameters(
    database_url: str,
    role: str | None,
    application_name: str,
    session: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """The libpq parameters of a connection: what the URL says, then what every connection has.

    `role` is the role the session acts as, from its first statement on and after every RESET;
    `session` adds to or overrides the session's server settings, values as SQL would write them.
    """
    given = conninfo_to_dict(database_url)
    settings = {**_SESSION, **(session or {})}
    if role is not None:
        settings["role"] = role
    options = [str(given.pop("options", None) or "")]
    options += [f"-c {name}={_escaped(value)}" for name, value in settings.items()]
    return {
        **_NETWORK,
        **given,
        "application_name": application_name,
        "options": " ".join(options).strip(),
    }


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace(" ", "\\ ")


async def connect(
    database_url: str,
    role: str | None,
    application_name: str,
    *,
    session: Mapping[str, str] | None = None,
    prepare_threshold: int | None = 5,
) -> Connection:
    """Open one connection in autocommit mode.

    `prepare_threshold` is psycopg's: 0 prepares every statement at once, None never does. Raises
    psycopg.OperationalError where there is no server or no such role.
    """
    return await AsyncConnection.connect(
        autocommit=True,
        prepare_threshold=prepare_threshold,
        **parameters(database_url, role, application_name, session),
    )


def pool(
    database_url: str,
    role: str | None,
    application_name: str,
    *,
    min_size: int,
    max_size: int,
    session: Mapping[str, str] | None = None,
) -> Pool:
    """A pool of such connections, not yet open: use it as an async context manager.

    A connection that was idle is tried before it is lent, so that a server that was restarted
    meanwhile costs its user nothing. Waiting is bounded: psycopg_pool.PoolTimeout, psycopg_pool.TooManyRequests.
    """
    return AsyncConnectionPool(
        kwargs={
            "autocommit": True,
            **parameters(database_url, role, application_name, session),
        },
        connection_class=Connection,
        min_size=min_size,
        max_size=max_size,
        open=False,
        check=_IdleCheck(),
        name=application_name,
        timeout=limits.POOL_WAIT_SECONDS,
        max_waiting=limits.POOL_QUEUE_MAX_REQUESTS,
        reconnect_timeout=limits.POOL_WAIT_SECONDS,
    )


class _IdleCheck:
    """Tries a connection before it is lent, unless it was lent a moment ago and the server has said
    nothing since: a server that ends a connection says so.
    """

    def __init__(self) -> None:
        self._lent: WeakKeyDictionary[AsyncConnection[Any], float] = WeakKeyDictionary()

    async def __call__(self, connection: AsyncConnection[Any]) -> None:
        now = asyncio.get_running_loop().time()
        idle = now - self._lent.get(connection, float("-inf")) > limits.POOL_TRUST_SECONDS
        if idle or _has_input(connection):
            await AsyncConnectionPool.check_connection(connection)
        self._lent[connection] = now


def _has_input(connection: AsyncConnection[Any]) -> bool:
    """Whether the server has sent something, or closed the connection, that nobody has read."""
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN | select.POLLHUP | select.POLLERR)
    return bool(poll.poll(0))


async def connect_or_explain(
    database_url: str, application_name: str, *, session: Mapping[str, str] | None = None
) -> Connection:
    """Open a connection as the URL's own user, for commands a person runs.

    Raises CannotConnect with one sentence, UnsupportedServer for an old server.
    """
    try:
        connection = await connect(database_url, None, application_name, session=session)
    except OperationalError as fault:
        raise CannotConnect(f"cannot connect to PostgreSQL: {one_line(fault)}") from None
    try:
        await require_supported(connection)
    except UnsupportedServer:
        await connection.close()
        raise
    return connection


async def require_supported(connection: Connection) -> None:
    """Raise UnsupportedServer if the server is older than PostgreSQL 15."""
    major = connection.info.server_version // 10_000
    if major < limits.POSTGRES_OLDEST_MAJOR_VERSION:
        raise UnsupportedServer(
            f"the ledger needs PostgreSQL {limits.POSTGRES_OLDEST_MAJOR_VERSION} or newer, and this"
            f" server is version {major}; upgrade it, or point DATABASE_URL at a newer one"
        )


def one_line(fault: BaseException) -> str:
    """The text of an error on one line, for messages to a person."""
    return " ".join(str(fault).split()) or type(fault).__name__
