"""Wrapping every key anew with the master key in use, after it was replaced.

What belongs here: going through what the master key has wrapped. Each page is a transaction of its
own, and what is wrapped with the key in use is passed over: broken off, it goes on by being begun
again, and it may run while the ledger is at work.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Final

from lending.ledger.sealing import MasterKey, SealBroken, key_purpose, signing_key_purpose
from lending.runtime.errors import OperatorError
from lending.runtime.postgres import Connection
from lending.runtime.sql import load_queries
from lending.service.registry_acts import as_owner, connected
from lending.service.webhooks.registrations import secret_purpose

_SQL: Final = load_queries(files("lending.service") / "rewrapping.sql")
_PAGE: Final = 1_000


class OpensWithNeither(OperatorError):
    """A key opens neither with the master key in use nor with one before. Nothing of its page was
    changed.
    """


Key = tuple[Any, ...]
"""What names a row, in the order in which rows are gone through."""


@dataclass(frozen=True, slots=True)
class _Kind:
    """A table of wrapped keys: its statements' names, where to begin, and what each is bound to."""

    name: str
    begin: Key
    purpose: Callable[[Key], bytes]


_KINDS: Final = (
    _Kind("secrets", ("",), lambda key: str(key[0]).encode()),
    _Kind(
        "webhook_secrets",
        ("00000000-0000-0000-0000-000000000000",) * 2,
        lambda key: secret_purpose(key[0], key[1]),
    ),
    _Kind("signing_keys", (-1, ""), lambda key: signing_key_purpose(key[0], key[1])),
    _Kind(
        "subject_keys",
        (-1, "00000000-0000-0000-0000-000000000000", ""),
        lambda key: key_purpose(key[1], key[2]),
    ),
)


@dataclass(frozen=True, slots=True)
class Rewrapped:
    """How many keys there are, and how many of them were wrapped with a key before."""

    keys: int
    wrapped_anew: int


async def rewrap(
    database_url: str, master: MasterKey, progress: Callable[[Rewrapped], None]
) -> Rewrapped:
    """Wrap every key with the master key in use. Raises OpensWithNeither."""
    done = Rewrapped(0, 0)
    async with connected(database_url, "lending rewrap") as connection:
        for kind in _KINDS:
            after: Key | None = kind.begin
            while after is not None:
                async with as_owner(connection):
                    rows = await _page(connection, kind, after)
                    anew = await _write(connection, kind, rows, master)
                done = Rewrapped(done.keys + len(rows), done.wrapped_anew + anew)
                progress(done)
                after = rows[-1][:-1] if len(rows) == _PAGE else None
    return done


async def _page(connection: Connection, kind: _Kind, after: Key) -> Sequence[tuple[Any, ...]]:
    asked = {**_named(after), "limit": _PAGE}
    return await (await connection.execute(_SQL[kind.name], asked)).fetchall()


async def _write(
    connection: Connection, kind: _Kind, rows: Sequence[tuple[Any, ...]], master: MasterKey
) -> int:
    anew = []
    for *key, wrapped in rows:
        try:
            found = master.wrapped_anew(bytes(wrapped), kind.purpose(tuple(key)))
        except SealBroken:
            named = " ".join(map(str, key))
            raise OpensWithNeither(
                f"{kind.name} {named} opens with no master key that is given: give the one before in"
                " LENDING_MASTER_KEY_PREVIOUS or LENDING_MASTER_KEY_PREVIOUS_FILE"
            ) from None
        if found is not None:
            anew.append({**_named(key), "wrapped": found})
    if anew:
        async with connection.cursor() as cursor:
            await cursor.executemany(_SQL[f"write_{kind.name}"], anew)
    return len(anew)


def _named(key: Sequence[Any]) -> dict[str, Any]:
    return {f"key_{place}": value for place, value in enumerate(key)}
