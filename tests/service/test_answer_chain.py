"""Refusals are as hard to change as events: numbered, chained, and named by what was signed."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from lending.domain.application import commands as c
from lending.ledger.answer_chain import FIRST, next_link
from lending.ledger.findings import Discrepancy, Finding
from projections.verification import Kind, plan
from projections.verifying import run
from tests.backup.drill import sealed, settings_of
from tests.ledgers import Issuer, opened_ledger
from tests.sealed import Sealing, sealing

pytestmark = pytest.mark.anyio
REFUSED = 5
_RESPELL = "refusal = 'application_held'"


@pytest.fixture
async def ledger(database_url: str, tmp_path: Path) -> AsyncIterator[Sealing]:
    """A ledger with refusals and other answers, sealed and published."""
    settings = settings_of(database_url, tmp_path)
    async with (
        opened_ledger(database_url, tmp_path, settings=settings) as opened,
        sealing(opened, settings) as found,
    ):
        issue = Issuer(opened)
        apply = c.Apply(applicant_id="cust_2002", amount=Decimal(12_000))
        first = await issue(apply, key="first")
        await asyncio.gather(
            *(issue(c.AcceptOffer(offer_id="9"), first.application_id) for _ in range(REFUSED))
        )
        await issue(c.AddNote(text="seen"), first.application_id, key="note")
        await sealed(found)
        yield found


async def findings(ledger: Sealing) -> list[Finding]:
    """What verifying the answers finds, against what was published."""
    whole = await plan(
        ledger.database_url, ledger.master_key, checkpoints=ledger.settings.checkpoints_path
    )
    parts = [one for one in whole.parts if one.kind.phase == Kind.ANSWERS.phase]
    return (await run(replace(whole, parts=parts), 1, lambda _: None)).findings.kept


def tamper(ledger: Sealing, statement: str) -> None:
    with psycopg.connect(ledger.database_url) as connection:
        connection.execute("set session_replication_role = replica")
        connection.execute(statement)


async def test_answers_have_dense_numbers_in_a_chain_that_checkpoints_name(
    ledger: Sealing,
) -> None:
    rows = ledger.rows("select number, outcome from ledger.command_keys order by number")
    assert [number for number, _ in rows] == list(range(1, REFUSED + 3))
    assert [outcome for _, outcome in rows].count("refused") == REFUSED
    ((last,),) = ledger.rows(
        "select encode(chain, 'base64') from ledger.command_keys order by number desc limit 1"
    )
    ((note,),) = ledger.rows(
        "select note from transparency.checkpoints order by number desc limit 1"
    )
    assert note.split("\n")[3] == f"answers {REFUSED + 2} {last}"
    assert await findings(ledger) == []


@pytest.mark.parametrize(
    ("statement", "column"),
    [
        (f"update ledger.command_keys set {_RESPELL} where number = 3", "chain"),
        ("update ledger.command_keys set principal = 'somebody' where number = 3", "chain"),
        ("update ledger.command_keys set detail = 'x' where number = 3", "chain"),
        ("update ledger.command_keys set recorded_at = now() where number = 3", "chain"),
        ("delete from ledger.command_keys where number = 3", "number"),
        ("delete from ledger.command_keys where outcome = 'refused'", "number"),
        ("delete from ledger.command_keys where number > 5", "checkpoint"),
        (
            "insert into ledger.command_keys select (jsonb_populate_record(k, jsonb_build_object("
            "'command_id', gen_random_uuid(), 'number', null, 'chain', null))).*"
            " from ledger.command_keys k where number = 3",
            "number",
        ),
    ],
)
async def test_who_changes_an_answer_is_found(ledger: Sealing, statement: str, column: str) -> None:
    tamper(ledger, statement)
    found = await findings(ledger)
    assert {one.discrepancy for one in found} == {Discrepancy.ANSWER_DIFFERS}
    assert column in {one.column.removeprefix("command_keys.") for one in found}


async def test_who_makes_the_whole_chain_anew_contradicts_what_was_signed(ledger: Sealing) -> None:
    tamper(ledger, f"update ledger.command_keys set {_RESPELL} where number = 3")
    chained_anew(ledger)
    (one, *more) = await findings(ledger)
    assert "was signed over" in one.what
    assert {other.column for other in (one, *more)} == {"checkpoint"}


def chained_anew(ledger: Sealing) -> None:
    query = (
        "select number, recorded_at, command_id, principal, target, key,"
        " encode(fingerprint, 'hex') as fingerprint, command, application_id, outcome, refusal, detail,"
        " version, first_position, last_position, on_behalf_of from ledger.command_keys order by number"
    )
    link = FIRST
    with psycopg.connect(ledger.database_url) as connection:
        connection.execute("set session_replication_role = replica")
        rows: list[dict[str, Any]] = (
            connection.cursor(row_factory=dict_row).execute(query).fetchall()
        )
        for row in rows:
            number, recorded_at = row.pop("number"), row.pop("recorded_at")
            link = next_link(link, ledger.ledger_id, 0, recorded_at, row)
            connection.execute(
                "update ledger.command_keys set chain = %s where number = %s", [link.hash, number]
            )
