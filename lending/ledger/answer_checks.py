"""Whether the chain of answers is whole, and what signed checkpoints say of it.

What belongs here: recomputing the links of the answers that are stored, and holding them against
those that checkpoints named, stored or published.
"""

from collections.abc import Iterable, Iterator
from importlib.resources import files
from typing import Any, Final

from psycopg.rows import dict_row

from lending.ledger.answer_chain import FIRST, Link, link_of, next_link
from lending.ledger.checkpoint_claims import CHECKPOINT, stored_notes
from lending.ledger.checkpoints import parse_origin, read_checkpoint
from lending.ledger.findings import Discrepancy, Finding
from lending.ledger.notes import NoteFault
from lending.ledger.verification import ShardOfLog
from lending.runtime.postgres import Connection
from lending.runtime.sql import load_queries

_SQL: Final = load_queries(files("lending.ledger") / "verification.sql")
_NUMBER: Final = "command_keys.number"
_CHAIN: Final = "command_keys.chain"
_AT_ONCE: Final = 8_192


async def last_number(connection: Connection, shard: int) -> int:
    """The number of the last answer of a shard."""
    row = await (await connection.execute(_SQL["last_answer"], {"shard": shard})).fetchone()
    return 0 if row is None else int(row[0] or 0)


async def check_chain(
    connection: Connection, log: ShardOfLog, after: int, upto: int
) -> list[Finding]:
    """The answers of a stretch that are not as they were recorded, and the numbers that are missing."""
    cursor = connection.cursor(row_factory=dict_row)
    asked = {"shard": log.shard, "after": after, "upto": upto}
    rows = await (await cursor.execute(_SQL["chain_of_answers"], asked)).fetchall()
    before = FIRST if not after else Link(after, b"")
    findings: list[Finding] = []
    for row in rows:
        link = Link(row.pop("number"), bytes(row.pop("chain")))
        if link.number > after:
            findings += _of_row(log, before, link, row)
        before = link
    if before.number < upto:
        findings.append(_missing(before.number + 1, upto))
    return findings


def _of_row(log: ShardOfLog, before: Link, link: Link, row: dict[str, Any]) -> Iterator[Finding]:
    """What is wrong with an answer behind a link that is there."""
    if link.number != before.number + 1:
        yield _missing(before.number + 1, link.number - 1)
        return
    if not before.hash:
        return  # the answer before is missing, which its own stretch says
    recorded_at = row.pop("recorded_at")
    if next_link(before, log.ledger_id, log.shard, recorded_at, row) != link:
        text = (
            f"answer {link.number}, to {row['command']} by {row['principal']}, command"
            f" {row['command_id']}, is not as it was recorded"
        )
        at = row["last_position"], row["application_id"]
        yield Finding(Discrepancy.ANSWER_DIFFERS, *at, _CHAIN, text)


def _missing(first: int, last: int) -> Finding:
    which = f"answer {first} is" if first == last else f"answers {first} to {last} are"
    return Finding(Discrepancy.ANSWER_DIFFERS, None, None, _NUMBER, f"{which} missing")


async def check_claims(
    connection: Connection, log: ShardOfLog, head: int, published: Iterable[tuple[str, str]]
) -> list[Finding]:
    """What checkpoints say of the chain that it does not bear out, and answers that no number covers.

    Those of more events than there are say that the log is truncated, its answers with it.
    """
    findings: list[Finding] = []
    asked = {"shard": log.shard}
    rows = await (await connection.execute(_SQL["answers_without_number"], asked)).fetchall()
    for position, application_id, command_id in rows:
        text = f"the answer to command {command_id} has no number, and those before it do"
        at = position, application_id, _NUMBER
        findings.append(Finding(Discrepancy.ANSWER_DIFFERS, *at, text))
    async for notes in stored_notes(connection, log.shard):
        findings += await _hold(connection, log, head, notes)
    outside = list(published)
    for first in range(0, len(outside), _AT_ONCE):
        findings += await _hold(connection, log, head, outside[first : first + _AT_ONCE])
    return findings


async def _hold(
    connection: Connection, log: ShardOfLog, head: int, notes: Iterable[tuple[str, str]]
) -> list[Finding]:
    claimed = [
        claim for place, note in notes for claim in _claim(log, place, note) if claim[1] <= head
    ]
    asked = {"shard": log.shard, "numbers": [link.number for _, _, link in claimed]}
    rows = await (await connection.execute(_SQL["links"], asked)).fetchall()
    there = {number: bytes(chain) for number, chain in rows}
    findings = []
    for place, size, link in claimed:
        if there.get(link.number) != link.hash:
            what = "are others" if link.number in there else "do not reach so far"
            text = f"{place} was signed over {link.number} answers; those on record {what}"
            findings.append(Finding(Discrepancy.ANSWER_DIFFERS, size, None, CHECKPOINT, text))
    return findings


def _claim(log: ShardOfLog, place: str, note: str) -> Iterator[tuple[str, int, Link]]:
    """What a checkpoint says of the answers of this log, unless its tail was given up."""
    try:
        checkpoint = read_checkpoint(note)
        origin, link = parse_origin(checkpoint.origin), link_of(checkpoint)
    except NoteFault:
        return  # what is wrong with it is a finding of its own
    same = (origin.ledger_id, origin.shard) == (log.ledger_id, log.shard)
    if link is not None and same and checkpoint.size < log.epochs.end_of(origin.epoch):
        yield f"the checkpoint of {checkpoint.size} events in {place}", checkpoint.size, link
