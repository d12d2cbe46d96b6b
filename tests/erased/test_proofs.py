"""Whoever held proofs before the erasures can still use them, and what is proven now is what was then."""

import base64
from pathlib import Path

import pytest

from lending.domain.fields import ERASED
from lending.ledger.checkpoints import open_checkpoint
from lending.ledger.merkle import hash_leaf, verify_consistency
from lending.ledger.notes import parse_vkey
from lending.ledger.proofs import parse_proof
from lending.ledger.tiles import decode_bundle
from lending.service.erasure import ReadModelsBehind
from projections.verification import Plan, plan
from projections.verifying import run
from tests.databases import Databases
from tests.erased.conftest import Ledger
from tests.erased.making import History, opened
from tests.projections.worlds import MASTER_KEY
from tests.service.test_erasure import OPERATOR, projecting

pytestmark = pytest.mark.anyio
WIDTH = 256
"""Entries of a bundle."""


async def verified(database_url: str, published: Path) -> Plan:
    """What there was to verify; nothing differs."""
    whole = await plan(database_url, MASTER_KEY, checkpoints=published)
    assert (await run(whole, 1, lambda _: None)).findings.kept == []
    return whole


async def leaves_of(erased: Ledger, size: int) -> list[bytes]:
    """The leaf of each entry, as the log gives its entries out."""
    found: list[bytes] = []
    for index in range(-(-size // WIDTH)):
        width = min(size - index * WIDTH, WIDTH)
        end = "" if width == WIDTH else f".p/{width}"
        answer = await erased.api.get(f"/log/0/tile/entries/{index:03}{end}")
        found += map(hash_leaf, decode_bundle(answer.content))
    return found


async def head_of(erased: Ledger) -> int:
    key = parse_vkey(erased.history.before.proven.vkey)
    note = (await erased.api.get("/log/0/checkpoint")).text
    return open_checkpoint(note, key.name, [key.public_key])[0].size


async def test_proofs_of_before_and_of_now_hold_of_the_entries_as_they_are_now(
    erased: Ledger,
) -> None:
    given, size = erased.history.before.proven, await head_of(erased)
    key = parse_vkey(given.vkey)
    leaves = await leaves_of(erased, size)
    assert len(leaves) == size > given.size
    for position, old in given.proofs.items():
        now = (await erased.api.get(f"/log/0/proof/{position}")).text
        again = (await erased.api.get(f"/log/0/proof/{position}?size={given.size}")).text
        assert again == old
        for proof, of in ((old, given.size), (now, size)):
            checkpoint = parse_proof(proof).verify(leaves[position - 1], key.name, [key.public_key])
            assert checkpoint.size == of


async def test_each_step_of_an_erasure_is_proven_as_every_event_is(erased: Ledger) -> None:
    given, size = erased.history.before.proven, await head_of(erased)
    key, leaves = parse_vkey(given.vkey), await leaves_of(erased, size)
    steps = "select position from ledger.loan_events where starts_with(event_type, 'subject_')"
    positions = [position for (position,) in erased.sealed.rows(steps)]
    assert len(positions) > 3 * len(erased.history.gone) - 1
    for position in positions:
        proof = parse_proof((await erased.api.get(f"/log/0/proof/{position}")).text)
        assert proof.verify(leaves[position - 1], key.name, [key.public_key]).size == size


async def test_the_log_of_now_goes_on_from_the_log_of_before(erased: Ledger) -> None:
    first, second = erased.history.before.proven.size, await head_of(erased)
    for one, other in ((first, second), (1, second), (WIDTH, first)):
        body = (await erased.api.get(f"/log/0/consistency?first={one}&second={other}")).json()
        hashes = [base64.b64decode(text) for text in body["hashes"]]
        roots = [base64.b64decode(body[name]["root"]) for name in ("first", "second")]
        assert verify_consistency(one, other, roots[0], roots[1], hashes)


async def test_nothing_is_found_to_differ_and_no_erasure_is_pending(erased: Ledger) -> None:
    whole = await verified(erased.api.database_url, erased.history.published)
    assert (whole.pending, whole.findings) == ([], [])


async def test_an_erasure_under_way_is_pending_and_differs_from_nothing(
    history: History, postgres_server: Databases
) -> None:
    person = next(one for one in history.kept if one.number % 12 != 1)
    (application,) = history.of([person]).values()
    with postgres_server.temporary("pending", history.name) as url:
        async with opened(url, history.directory) as (api, sealed):
            eraser = api.ledger.persons.eraser
            with pytest.raises(ReadModelsBehind):
                await eraser.erase(person.subject, "asked", OPERATOR, patience_seconds=0)
            await sealed.seal()
            whole = await verified(url, history.published)
            assert [one.subject for one in whole.pending] == [person.subject]
            assert (await api.ledger.history.now(application)).state.purpose is ERASED
            async with projecting(api.settings):
                await eraser.erase(person.subject, "asked", OPERATOR)
            await sealed.seal()
            assert (await verified(url, history.published)).pending == []
