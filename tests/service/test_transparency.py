"""The log is sealed behind the lane, never past what contradicts a checkpoint, and proven to whoever asks."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from lending.ledger.checkpoints import Origin, open_checkpoint, read_checkpoint, sign_checkpoint
from lending.ledger.entries import read_entries
from lending.ledger.findings import Discrepancy, Finding
from lending.ledger.merkle import hash_leaf, tree_head, verify_consistency
from lending.ledger.notes import Verifier, decoded, parse_vkey
from lending.ledger.published import notes_in, read_published
from lending.ledger.sealing import signing_key_purpose
from lending.ledger.tiles import Bundle, Tile, decode_bundle, tiles_of
from lending.ledger.tree import NotSealed
from lending.runtime.settings import Settings
from lending.service.epoch import open_epoch
from lending.service.history import UnknownShard
from lending.service.ledger import Ledger, new_id
from lending.service.signing_keys import HasSigningKey, NoSuchSigningKey
from lending.service.transparency.log import UnknownCheckpoint
from lending.service.transparency.outlets import DirectoryOutlet, FileOutlet
from lending.service.transparency.sealer import Published, Step
from tests.sealed import Sealing, sealing

pytestmark = pytest.mark.anyio
FIRST = (
    3  # events a ledger begins with: the built-in policy, published and active, and its signing key
)


@pytest.fixture
async def sealed(ledger: Ledger, settings: Settings) -> AsyncIterator[Sealing]:
    async with sealing(ledger, settings, events=300) as found:
        assert await found.seal() is Step.IDLE
        yield found


def leaves(sealed: Sealing) -> list[bytes]:
    rows = sealed.rows("select leaf_hash from ledger.loan_events order by position")
    return [bytes(row[0]) for row in rows]


def keys(sealed: Sealing) -> list[bytes]:
    query = "select data ->> 'public_key' from ledger.loan_events where event_type = 'signing_key_issued'"
    return [decoded(row[0], "key") for row in sealed.rows(query)]


def stopped(sealed: Sealing) -> tuple[str, str | None, str | None]:
    (row,) = sealed.rows("select state, stopped_because, error from transparency.trees")
    return row[0], row[1], row[2]


def kinds(found: list[Finding]) -> set[tuple[int | None, Discrepancy]]:
    return {(one.position, one.discrepancy) for one in found}


async def test_a_checkpoint_is_the_signed_head_of_the_tree_over_the_leaf_hashes(
    sealed: Sealing,
) -> None:
    note = (await sealed.ledger.transparency.checkpoint(0)).note
    origin = str(Origin(sealed.ledger_id, 0, 1))
    checkpoint, signed = open_checkpoint(note, origin, keys(sealed))
    assert (checkpoint.size, checkpoint.root) == (300 + FIRST, tree_head(leaves(sealed)))
    assert len(signed) == 1


async def test_the_tree_is_the_same_whatever_pieces_it_was_sealed_in(
    ledger: Ledger, settings: Settings
) -> None:
    async with sealing(ledger, settings) as found:
        for events in (1, 200, 52, 1, 511, 3):
            await found.append(events)
            await found.seal(batch_max_events=100)
        checkpoint = await ledger.transparency.checkpoint(0)
        assert checkpoint.root == tree_head(leaves(found))
        assert await found.findings() == []


async def test_every_tile_holds_the_hashes_of_its_level_and_every_bundle_its_entries(
    sealed: Sealing,
) -> None:
    log, hashes = sealed.ledger.transparency, leaves(sealed)
    for tile in tiles_of(len(hashes)):
        span = 256**tile.level
        begins = range(tile.index * 256 * span, (tile.index * 256 + tile.width) * span, span)
        wanted = b"".join(tree_head(hashes[at : at + span]) for at in begins)
        assert await log.tile(0, tile) == wanted
        if tile.level == 0:
            entries = decode_bundle(await log.bundle(0, Bundle(tile.index, tile.width)))
            at = tile.index * 256
            assert [hash_leaf(one) for one in entries] == hashes[at : at + tile.width]


async def test_an_entry_has_no_data(sealed: Sealing) -> None:
    async with sealed.ledger.pool.connection() as connection:
        (entry,) = await read_entries(connection, sealed.ledger_id, 0, FIRST, FIRST + 1)
    assert b"synthetic" not in entry
    assert b'"data_sha256":"' in entry


async def test_any_event_is_proven_to_any_checkpoint_and_any_size_to_extend_any_other(
    sealed: Sealing,
) -> None:
    log, hashes = sealed.ledger.transparency, leaves(sealed)
    earlier = len(hashes)
    await sealed.append(40)
    await sealed.seal()
    hashes, origin = leaves(sealed), str(Origin(sealed.ledger_id, 0, 1))
    for position in (1, 2, 255, 256, 257, earlier):
        for size in (None, earlier):
            proof = await log.inclusion(0, position, size)
            checkpoint = proof.verify(hashes[position - 1], origin, keys(sealed))
            assert checkpoint.size == (size or len(hashes))
    for first, second in ((0, 5), (1, 1), (7, 300), (256, 300), (255, 343), (earlier, 343)):
        found = await log.consistency(0, first, second)
        assert found.first.root == tree_head(hashes[:first])
        roots = found.first.root, found.second.root
        assert verify_consistency(first, second, *roots, found.hashes)


async def test_what_is_not_sealed_is_not_proven(sealed: Sealing) -> None:
    log = sealed.ledger.transparency
    size = 300 + FIRST
    await sealed.append(1)
    with pytest.raises(NotSealed, match=str(size)):
        await log.inclusion(0, size + 1, None)
    for asked in (log.inclusion(0, 1, size + 1), log.consistency(0, 1, size + 1)):
        with pytest.raises(NotSealed):
            await asked
    for bytes_of in (
        log.tile(0, Tile(0, 1, 48)),
        log.bundle(0, Bundle(1, 48)),
        log.tile(0, Tile(1, 0, 2)),
    ):
        with pytest.raises(NotSealed):
            await bytes_of
    with pytest.raises(UnknownCheckpoint):
        await log.inclusion(0, 1, 5)
    with pytest.raises(UnknownShard):
        await log.checkpoint(1)


async def test_while_keys_are_rotated_both_sign_and_afterwards_the_new_one_alone(
    sealed: Sealing,
) -> None:
    issued = await sealed.office.rotate(0, overlap=timedelta(hours=1))
    assert parse_vkey(issued.vkey).name == str(Origin(sealed.ledger_id, 0, 1))
    await sealed.seal()
    note = (await sealed.ledger.transparency.checkpoint(0)).note
    origin, (old, new) = str(Origin(sealed.ledger_id, 0, 1)), keys(sealed)
    for known in ([old], [new]):
        open_checkpoint(note, origin, known)
    await sealed.office.rotate(0, overlap=timedelta(0))
    await sealed.seal()
    note = (await sealed.ledger.transparency.checkpoint(0)).note
    _, signed = open_checkpoint(note, origin, keys(sealed))
    # the first key signs on until its hour is over, the second was replaced without overlap
    assert [one.public_key for one in signed] == [old, keys(sealed)[2]]
    assert await sealed.findings() == []
    listed = await sealed.ledger.transparency.keys(0)
    assert [one.vkey for one in listed] == [Verifier(origin, key).vkey for key in keys(sealed)]
    assert [one.key.signs_until is None for one in listed] == [False, False, True]


async def test_a_revoked_key_signs_nothing_more_and_another_takes_its_place_at_once(
    sealed: Sealing,
) -> None:
    (key,) = await sealed.office.listed(0)
    before = (await sealed.ledger.transparency.checkpoint(0)).note
    issued = await sealed.office.revoke(0, key.key_id, reason="was in a backup")
    assert issued is not None
    await sealed.seal()
    origin, (old, new) = str(Origin(sealed.ledger_id, 0, 1)), keys(sealed)
    open_checkpoint(before, origin, [old])
    _, signed = open_checkpoint(
        (await sealed.ledger.transparency.checkpoint(0)).note, origin, [old, new]
    )
    assert [one.public_key for one in signed] == [new]
    assert await sealed.findings() == []
    positions = [one.key.revoked_position for one in await sealed.ledger.transparency.keys(0)]
    assert positions == [300 + FIRST + 2, None]
    with pytest.raises(NoSuchSigningKey):
        await sealed.office.revoke(0, key.key_id, reason="again")


async def test_a_replaced_key_is_revoked_within_its_overlap_without_another_in_its_place(
    sealed: Sealing,
) -> None:
    (key,) = await sealed.office.listed(0)
    await sealed.office.rotate(0, overlap=timedelta(hours=1))
    assert await sealed.office.revoke(0, key.key_id, reason="was in a backup") is None
    await sealed.seal()
    note = (await sealed.ledger.transparency.checkpoint(0)).note
    _, signed = open_checkpoint(note, str(Origin(sealed.ledger_id, 0, 1)), keys(sealed))
    assert [one.public_key for one in signed] == [keys(sealed)[1]]


async def test_a_checkpoint_that_covers_the_revocation_of_its_only_key_is_found(
    sealed: Sealing, tmp_path: Path
) -> None:
    """Whoever has the key signs what is true of the log, and still is no operator of it."""
    (key,) = await sealed.office.listed(0)
    ((wrapped,),) = sealed.rows("select wrapped from vault.signing_keys")
    seed = sealed.master.unwrap(bytes(wrapped), signing_key_purpose(0, key.key_id))
    await sealed.office.revoke(0, key.key_id, reason="was in a backup")
    await sealed.seal()
    checkpoint = read_checkpoint((await sealed.ledger.transparency.checkpoint(0)).note)
    path = tmp_path / "checkpoints"
    path.write_text(sign_checkpoint(checkpoint, [seed]))
    (found,) = await sealed.findings(path)
    assert kinds([found]) == {(checkpoint.size, Discrepancy.SIGNATURE_WRONG)}
    assert f"revoked at position {checkpoint.size}" in found.what


async def test_a_shard_has_one_first_key(sealed: Sealing) -> None:
    with pytest.raises(HasSigningKey):
        await sealed.office.create(0)


async def test_sealing_stops_where_the_log_ends_before_what_is_sealed(sealed: Sealing) -> None:
    sealed.tamper("delete from ledger.loan_events where position > 290")
    assert await sealed.seal() is Step.STOPPED
    assert stopped(sealed)[1] == "truncated"
    assert (291, Discrepancy.TRUNCATED) in kinds(await sealed.findings())


async def test_sealing_stops_at_a_gap(sealed: Sealing) -> None:
    await sealed.append(5)
    sealed.tamper("delete from ledger.loan_events where position = 305")
    assert await sealed.seal() is Step.STOPPED
    assert stopped(sealed)[:2] == ("stopped", "gap")


async def test_a_worker_that_runs_stops_where_log_and_tree_go_back_together(
    sealed: Sealing,
) -> None:
    """Nothing in the database contradicts anything: the worker remembers what it signed itself."""
    (before,) = sealed.rows(
        "select size, encode(subtrees, 'hex'), encode(edge, 'hex') from transparency.trees"
    )
    async with sealed.sealer() as sealer:
        await sealed.append(20)
        assert await sealer.step() is Step.MOVED
        sealed.tamper(
            f"delete from ledger.loan_events where position > {before[0]}",
            f"delete from transparency.checkpoints where size > {before[0]}",
            f"update transparency.trees set size = {before[0]}, checkpoint = 1,"
            f" subtrees = decode('{before[1]}', 'hex'), edge = decode('{before[2]}', 'hex')",
        )
        assert await sealer.step() is Step.STOPPED
    assert stopped(sealed)[1] == "truncated"


async def test_sealing_stops_where_the_stored_tree_is_not_that_of_its_checkpoint(
    sealed: Sealing,
) -> None:
    sealed.tamper(
        "update transparency.trees set subtrees = decode(repeat('00', octet_length(subtrees)), 'hex')"
    )
    await sealed.append(1)
    assert await sealed.seal() is Step.STOPPED
    assert stopped(sealed)[1] == "rewritten"


async def test_a_published_checkpoint_that_the_log_does_not_reach_stops_sealing(
    sealed: Sealing,
) -> None:
    sealed.published = [Published("a file", 1, 400, bytes(32))]
    assert await sealed.seal() is Step.STOPPED
    state, because, error = stopped(sealed)
    assert (state, because) == ("stopped", "truncated")
    assert "a file has a checkpoint of 400 leaves" in (error or "")


@pytest.mark.parametrize("size", [250, 310])
async def test_nothing_is_signed_that_contradicts_a_published_checkpoint(
    sealed: Sealing, size: int
) -> None:
    await sealed.append(20)
    before = sealed.rows("select count(*) from transparency.checkpoints")
    sealed.published = [Published("a file", 1, size, bytes(32))]
    assert await sealed.seal(batch_max_events=3) is Step.STOPPED
    assert stopped(sealed)[1] == "rewritten"
    assert sealed.rows("select count(*) from transparency.checkpoints") == before


async def test_a_published_checkpoint_that_holds_is_reached_and_gone_beyond(
    sealed: Sealing,
) -> None:
    await sealed.append(20)
    root = tree_head(leaves(sealed)[:310])
    sealed.published = [Published("a file", 1, 310, root)]
    assert await sealed.seal(batch_max_events=3) is Step.IDLE
    sizes = [row[0] for row in sealed.rows("select size from transparency.checkpoints order by 1")]
    assert sizes[-1] == 320 + FIRST
    assert [size for size in sizes if 303 < size < 310] == []


async def test_after_a_lost_tail_the_log_goes_on_under_another_origin(sealed: Sealing) -> None:
    """What was published of the lost tail stands; the new epoch says where it goes on without it."""
    kept, log = 300 + FIRST, sealed.ledger.transparency
    sealed.published = [Published("a file", 1, kept + 9, bytes(32))]
    opened = await open_epoch(
        sealed.database_url, reason="drill", operator="tester", new_id=new_id, force=True
    )
    assert opened.first_position == kept + 1
    assert await sealed.seal() is Step.IDLE
    checkpoint = read_checkpoint((await log.checkpoint(0)).note)
    assert checkpoint.origin == str(Origin(sealed.ledger_id, 0, 2))
    found = await log.consistency(0, kept, kept + 1)
    assert verify_consistency(kept, kept + 1, found.first.root, checkpoint.root, found.hashes)
    assert await sealed.findings() == []


async def test_an_epoch_that_begins_before_what_is_sealed_here_stops_sealing(
    sealed: Sealing,
) -> None:
    sealed.tamper("delete from ledger.loan_events where position > 200")
    await open_epoch(
        sealed.database_url, reason="cover up", operator="tester", new_id=new_id, force=True
    )
    assert await sealed.seal() is Step.STOPPED
    assert stopped(sealed)[1] == "truncated"
    assert Discrepancy.TRUNCATED in {one.discrepancy for one in await sealed.findings()}


async def test_checkpoints_are_published_in_a_file_one_behind_another(
    sealed: Sealing, tmp_path: Path
) -> None:
    path = tmp_path / "outside" / "checkpoints"
    outlet = FileOutlet(path, sealed.ledger_id, 0)
    assert await outlet.last() is None
    for _ in range(3):
        await sealed.append(1)
        await sealed.seal()
    count = sealed.rows("select count(*) from transparency.checkpoints")[0][0]
    assert await sealed.publish(outlet) == count
    stored = [
        row[0] for row in sealed.rows("select note from transparency.checkpoints order by number")
    ]
    assert read_published(path) == stored
    last = await outlet.last()
    assert last is not None
    assert last.size == 303 + FIRST
    assert await sealed.publish(outlet) == count
    assert await sealed.findings(path) == []


async def test_a_note_that_a_crash_left_unfinished_gives_way_to_the_next(
    sealed: Sealing, tmp_path: Path
) -> None:
    path = tmp_path / "checkpoints"
    outlet = FileOutlet(path, sealed.ledger_id, 0)
    await sealed.publish(outlet)
    whole = path.read_bytes()
    await sealed.append(1)
    await sealed.seal()
    note = (await sealed.ledger.transparency.checkpoint(0)).note
    for cut in (1, 30, len(note.encode()) - 60, len(note.encode()) - 1):
        path.write_bytes(whole + note.encode()[:cut])
        sealed.tamper("update transparency.publications set number = 1")
        assert await sealed.publish(outlet) == 2
        assert path.read_bytes() == whole + note.encode()


async def test_a_file_of_something_else_is_left_alone(sealed: Sealing, tmp_path: Path) -> None:
    path = tmp_path / "notes"
    path.write_text("remember the milk")
    assert await sealed.publish(FileOutlet(path, sealed.ledger_id, 0)) == 0
    assert path.read_text() == "remember the milk"
    (row,) = sealed.rows("select attempts, error from transparency.publications")
    assert row[0] == 1
    assert "something else" in row[1]


async def test_checkpoints_are_published_in_a_directory_a_file_each(
    sealed: Sealing, tmp_path: Path
) -> None:
    outlet = DirectoryOutlet(tmp_path, sealed.ledger_id, 0)
    await sealed.publish(outlet)
    await sealed.append(1)
    await sealed.seal()
    assert await sealed.publish(outlet) == 2
    assert (tmp_path / "0" / "1" / f"{301 + FIRST:020}.checkpoint").exists()
    last = await outlet.last()
    assert last is not None
    assert last.size == 301 + FIRST
    assert await sealed.findings(tmp_path) == []


async def test_a_place_that_cannot_be_written_to_is_told_of_and_loses_nothing(
    sealed: Sealing, tmp_path: Path
) -> None:
    blocked = tmp_path / "blocked"
    blocked.write_text("")
    outlet = FileOutlet(blocked / "checkpoints", sealed.ledger_id, 0)
    assert await sealed.publish(outlet) == 0
    await sealed.append(1)
    await sealed.seal()
    blocked.unlink()
    sealed.tamper("update transparency.publications set next_attempt_at = null")
    assert await sealed.publish(outlet) == 2


async def test_a_published_checkpoint_that_contradicts_the_tree_is_never_followed_by_another(
    sealed: Sealing, tmp_path: Path
) -> None:
    path = tmp_path / "checkpoints"
    outlet = FileOutlet(path, sealed.ledger_id, 0)
    await sealed.publish(outlet)
    checkpoint = read_checkpoint(path.read_text())
    forged = sign_checkpoint(replace(checkpoint, root=bytes(32)), [bytes(32)])
    path.write_text(forged)
    await sealed.append(1)
    await sealed.seal()
    assert await sealed.publish(outlet) == 1
    assert path.read_text() == forged
    ((error,),) = sealed.rows("select error from transparency.publications")
    assert "is not that of the checkpoint in file:" in error
    assert stopped(sealed)[1] == "rewritten"


async def test_a_leaf_that_was_changed_is_located(sealed: Sealing) -> None:
    sealed.tamper(
        "update ledger.loan_events set leaf_hash = sha256('forged') where position in (40, 290)"
    )
    found = kinds(await sealed.findings())
    assert {(40, Discrepancy.CONTENT_DIFFERS), (290, Discrepancy.CONTENT_DIFFERS)} == found


@pytest.mark.parametrize(
    ("statement", "place"),
    [
        ("delete from transparency.tiles", (1, Discrepancy.TREE_DIFFERS)),
        (
            "update transparency.trees set subtrees = substr(subtrees, 33) || substr(subtrees, 1, 32)",
            (303, Discrepancy.TREE_DIFFERS),
        ),
        (
            "update transparency.checkpoints set root = sha256('x')",
            (303, Discrepancy.HISTORY_REWRITTEN),
        ),
        (
            "update transparency.checkpoints set note = replace(note, '303', '302')",
            (303, Discrepancy.SIGNATURE_WRONG),
        ),
        ("delete from transparency.checkpoints", (303, Discrepancy.TRUNCATED)),
    ],
    ids=["tiles", "subtrees", "root", "note", "checkpoints"],
)
async def test_what_is_changed_of_the_tree_is_found(
    sealed: Sealing, statement: str, place: tuple[int, Discrepancy]
) -> None:
    sealed.tamper(statement)
    assert place in kinds(await sealed.findings())


async def test_a_key_that_was_swapped_in_the_vault_is_found(sealed: Sealing) -> None:
    ((key_id,),) = sealed.rows("select key_id from vault.signing_keys")
    forged = sealed.master.wrap(bytes(32), signing_key_purpose(0, key_id))
    sealed.tamper(f"update vault.signing_keys set wrapped = decode('{forged.hex()}', 'hex')")
    assert {one.discrepancy for one in await sealed.findings()} == {Discrepancy.KEY_DIFFERS}
    await sealed.append(1)
    await sealed.seal()
    assert {Discrepancy.SIGNATURE_WRONG, Discrepancy.KEY_DIFFERS} <= {
        one.discrepancy for one in await sealed.findings()
    }


async def test_several_sealers_take_turns(sealed: Sealing) -> None:
    for _ in range(5):
        await sealed.append(30)
        await asyncio.gather(*(sealed.seal(batch_max_events=7) for _ in range(3)))
    await sealed.seal()
    assert (await sealed.ledger.transparency.checkpoint(0)).root == tree_head(leaves(sealed))
    assert await sealed.findings() == []


async def test_notes_behind_one_another_are_told_apart() -> None:
    notes = ["a\n1\nx\n\n— k s\n— l t\n", "b\n2\ny\n\n— k s\n"]
    for rest in ("", "c\n3", "c\n3\nz\n\n", "c\n3\nz\n\n— k"):
        assert notes_in("".join(notes) + rest) == (notes, rest)
