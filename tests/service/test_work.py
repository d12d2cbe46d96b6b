"""Claims: exact under concurrency, across processes, and each principal's own."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from decimal import Decimal
from importlib.resources import files
from pathlib import Path
from uuid import UUID, uuid4

import psycopg
import pytest

from lending.contract.work import task
from lending.domain.application.commands import (
    Apply,
    AttachContext,
    ContextKind,
    Decide,
    Outcome,
    Score,
)
from lending.domain.authority import Principal, PrincipalKind, Role
from lending.domain.identifiers import shard_of
from lending.ledger.sealing import MasterKey
from lending.runtime import limits
from lending.runtime.settings import Settings
from lending.runtime.sql import load_queries
from lending.service.creation import load_master_key
from lending.service.ledger import Ledger
from lending.service.work import Claim, QueueBusy, TooManyClaims, UnknownClaim
from projections.worker import run
from tests.ledgers import Issuer, opened_ledger

pytestmark = pytest.mark.anyio
APPLY = Apply(applicant_id="cust_2002", amount=Decimal(12_000))
KNOWN = AttachContext(kind=ContextKind.CUSTOMER_CONTEXT, stage="checked")
SCORE = Score(model="m", model_version="1", score=Decimal(1))


def agent(name: str, *roles: Role) -> Principal:
    return Principal(name=name, kind=PrincipalKind.AGENT, roles=frozenset(roles or {Role.RISK}))


@pytest.fixture
async def ledgers(database_url: str, tmp_path: Path) -> AsyncIterator[Sequence[Ledger]]:
    """Two services' ledgers over one database, and a projection worker."""
    async with AsyncExitStack() as stack:
        opened = [
            await stack.enter_async_context(opened_ledger(database_url, tmp_path)) for _ in range(2)
        ]
        settings = Settings(data_dir=tmp_path, database_url=database_url)
        master = MasterKey(load_master_key(settings, create=False), secrets.token_bytes)
        working = asyncio.create_task(run(database_url, master))
        try:
            yield opened
        finally:
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)


async def waiting(ledger: Ledger, count: int) -> set[UUID]:
    """So many applications that wait for their score, which the read model knows."""
    issue = Issuer(ledger)
    ids = set()
    for _ in range(count):
        opened = await issue(APPLY)
        assert opened.application_id is not None
        await issue(KNOWN, opened.application_id)
        ids.add(opened.application_id)
    await caught_up(ledger)
    return ids


async def caught_up(ledger: Ledger) -> None:
    assert await ledger.listing.reached(0, await ledger.history.head(0), 20)


async def taken(ledger: Ledger, by: Principal, limit: int = 1, seconds: int = 60) -> list[Claim]:
    return list(await ledger.work.claim(0, Role.RISK, by, limit=limit, seconds=seconds))


async def test_no_two_of_many_who_take_at_once_get_the_same(ledgers: Sequence[Ledger]) -> None:
    ids = await waiting(ledgers[0], 60)
    attempts = [taken(ledgers[n % 2], agent(f"agent {n}"), limit=1 + n % 5) for n in range(32)]
    claims = [claim for some in await asyncio.gather(*attempts) for claim in some]
    assert len({claim.application_id for claim in claims}) == len(claims) == 60
    assert {claim.application_id for claim in claims} == ids
    assert len({claim.claim_id for claim in claims}) == 60


async def test_a_claim_is_its_holders_alone(ledgers: Sequence[Ledger]) -> None:
    await waiting(ledgers[0], 1)
    holder, other = agent("holder"), agent("other")
    (claim,) = await taken(ledgers[0], holder)
    work = ledgers[1].work
    assert await taken(ledgers[1], other) == []
    assert list(await work.claims(0, other)) == []
    assert list(await work.claims(0, holder)) == [claim]
    for who, claim_id in ((other, claim.claim_id), (holder, uuid4())):
        with pytest.raises(UnknownClaim):
            await work.renew(who, claim_id, 10)
        with pytest.raises(UnknownClaim):
            await work.release(who, claim_id)
    (item,) = (await work.waiting(0, [Role.RISK], after=None, limit=10)).tasks
    assert task(item, holder)["claim_id"] == claim.claim_id
    assert task(item, other)["claim_id"] is None
    assert task(item, other)["claimed_until"] == claim.expires_at
    await work.release(holder, claim.claim_id)
    assert len(await taken(ledgers[1], other)) == 1


async def test_an_expired_claim_goes_to_the_next_and_cannot_be_renewed(
    ledgers: Sequence[Ledger],
) -> None:
    await waiting(ledgers[0], 1)
    slow, quick = agent("slow"), agent("quick")
    (first,) = await taken(ledgers[0], slow, seconds=1)
    assert await taken(ledgers[1], quick) == []
    await asyncio.sleep(1.05)
    (second,) = await taken(ledgers[1], quick)
    assert second.claimed_at >= first.expires_at
    with pytest.raises(UnknownClaim):
        await ledgers[0].work.renew(slow, first.claim_id, 60)


async def test_a_renewed_claim_is_kept_beyond_its_first_end(ledgers: Sequence[Ledger]) -> None:
    await waiting(ledgers[0], 1)
    keeper = agent("keeper")
    (claim,) = await taken(ledgers[0], keeper, seconds=1)
    renewed = await ledgers[1].work.renew(keeper, claim.claim_id, 60)
    assert renewed.expires_at > claim.expires_at
    await asyncio.sleep(1.05)
    assert await taken(ledgers[1], agent("next")) == []


async def test_the_next_task_of_an_application_is_free_though_the_last_was_claimed(
    ledgers: Sequence[Ledger],
) -> None:
    (application_id,) = await waiting(ledgers[0], 1)
    await taken(ledgers[0], agent("scorer"), seconds=3600)
    await Issuer(ledgers[0])(SCORE, application_id)
    await caught_up(ledgers[0])
    (claim,) = await ledgers[1].work.claim(
        0, Role.UNDERWRITER, agent("decider"), limit=10, seconds=60
    )
    assert (claim.application_id, claim.command) == (application_id, "decide")
    assert list(await ledgers[1].work.claims(0, agent("scorer"))) == []
    refer = Decide(outcome=Outcome.REFERRED)
    await Issuer(ledgers[0])(refer, application_id)
    await caught_up(ledgers[0])
    assert len(await ledgers[1].work.claims(0, agent("decider"))) == 1, (
        "it waits for the same still"
    )


async def test_what_is_over_is_swept_away(ledgers: Sequence[Ledger], database_url: str) -> None:
    ids = await waiting(ledgers[0], 3)
    scorer = agent("scorer")
    claims = await taken(ledgers[0], scorer, limit=3)
    issue = Issuer(ledgers[0])
    for claim in claims[:2]:
        await issue(SCORE, claim.application_id)
    await caught_up(ledgers[0])
    await taken(ledgers[1], scorer)
    with psycopg.connect(database_url) as connection:
        rows = connection.execute("select application_id from work.claims").fetchall()
    assert rows == [(claims[2].application_id,)]
    assert claims[2].application_id in ids


async def test_a_principal_holds_only_so_much(
    ledgers: Sequence[Ledger], monkeypatch: pytest.MonkeyPatch
) -> None:
    await waiting(ledgers[0], 6)
    monkeypatch.setattr(limits, "WORK_CLAIMS_MAX_ITEMS", 4)
    greedy = agent("greedy")
    assert len(await taken(ledgers[0], greedy, limit=3)) == 3
    assert len(await taken(ledgers[1], greedy, limit=3)) == 1
    with pytest.raises(TooManyClaims):
        await taken(ledgers[1], greedy)
    assert len(await taken(ledgers[1], agent("modest"), limit=5)) == 2


async def test_whoever_gets_no_turn_at_a_queue_in_time_is_told(
    ledgers: Sequence[Ledger], database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await waiting(ledgers[0], 2)
    (claim,) = await taken(ledgers[0], agent("first"))
    assert shard_of(claim.claim_id) == 0
    monkeypatch.setattr(limits, "WORK_TURN_MAX_SECONDS", 0.2)
    with psycopg.connect(database_url) as other:
        other.execute("select from work.queues for update")
        before = asyncio.create_task(taken(ledgers[0], agent("before")))
        await asyncio.sleep(0.05)
        with pytest.raises(QueueBusy):
            await asyncio.wait_for(taken(ledgers[0], agent("behind")), 10)
        other.rollback()
        assert len(await before) == 1
    assert await taken(ledgers[0], agent("behind")) == [], "the turn was given back"


def test_each_statement_about_claims_names_one_shard() -> None:
    statements = load_queries(files("lending.service") / "work.sql")
    for name in ("position", "waiting", "counts", "sweep", "held", "claim", "claims"):
        assert "shard = %(shard)s" in statements[name], name
    for name in ("renew", "release"):
        assert "where c.shard = %(shard)s" in statements[name], name


async def test_each_key_and_index_of_claims_begins_with_the_shard(database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        rows = connection.execute(
            "select indexdef from pg_indexes where schemaname = 'work'"
        ).fetchall()
    assert rows
    assert [row for row in rows if "(shard, " not in row[0]] == []
