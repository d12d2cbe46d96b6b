"""Reading the answers that were given: the rows of `command_keys`."""

from importlib.resources import files
from typing import Any, Final
from uuid import UUID

from lending.ledger.submission import StoredAnswer, Verdict
from lending.runtime.postgres import Connection
from lending.runtime.sql import load_queries

_SQL: Final = load_queries(files("lending.ledger") / "queries.sql")


async def answers_by_command(
    connection: Connection, shard: int, command_ids: list[UUID]
) -> dict[UUID, StoredAnswer]:
    """The stored answers to these commands, by command."""
    rows = await connection.execute(
        _SQL["answers_by_command"], {"shard": shard, "command_ids": command_ids}
    )
    return {row[0]: stored_answer(row) for row in await rows.fetchall()}


async def answers_by_key(
    connection: Connection, shard: int, principal: str, target: UUID, keys: list[str]
) -> dict[str, StoredAnswer]:
    """The stored answers to the commands that `principal` gave these keys, by key."""
    asked = {"shard": shard, "principal": principal, "target": target, "keys": keys}
    rows = await connection.execute(_SQL["answers_by_key"], asked)
    return {row[3]: stored_answer(row) for row in await rows.fetchall()}


def stored_answer(row: tuple[Any, ...]) -> StoredAnswer:
    """A row of `command_keys`, in the order in which queries.sql selects it."""
    command_id, principal, target, key, fingerprint, command, application_id, outcome, *rest = row
    refusal, detail, version, first_position, last_position, recorded_at = rest
    return StoredAnswer(
        command_id=command_id,
        principal=principal,
        target=target,
        key=key,
        fingerprint=bytes(fingerprint),
        command=command,
        application_id=application_id,
        outcome=Verdict(outcome),
        refusal=refusal,
        detail=detail,
        version=version,
        first_position=first_position,
        last_position=last_position,
        recorded_at=recorded_at,
    )
