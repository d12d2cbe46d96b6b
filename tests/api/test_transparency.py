"""The log over HTTP: where C2SP has it, cached as it says, and clear about what is not there."""

import base64
import gzip
from collections.abc import AsyncIterator

import pytest

from lending.ledger.checkpoints import open_checkpoint
from lending.ledger.merkle import hash_leaf, tree_head, verify_consistency
from lending.ledger.notes import parse_vkey
from lending.ledger.proofs import parse_proof
from lending.ledger.tiles import decode_bundle
from tests.api.served import Api, problem
from tests.sealed import Sealing, sealing

pytestmark = pytest.mark.anyio
SIZE = 303


@pytest.fixture(scope="module")
async def log(shared: Api) -> AsyncIterator[Api]:
    """A served ledger whose log is sealed up to SIZE."""
    async with sealing(shared.ledger, shared.settings, events=300) as found:
        await found.seal()
        yield shared


async def vkey(log: Api) -> str:
    (key,) = (await log.get("/log/0/keys")).json()["items"]
    assert key["signs_until"] is None
    return str(key["vkey"])


async def test_the_checkpoint_is_a_note_that_is_not_kept(log: Api) -> None:
    answer = await log.get("/log/0/checkpoint")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store"
    verifier = parse_vkey(await vkey(log))
    checkpoint, _ = open_checkpoint(answer.text, verifier.name, [verifier.public_key])
    assert checkpoint.size == SIZE


async def test_tiles_and_bundles_are_kept_for_ever(log: Api) -> None:
    tile = await log.get("/log/0/tile/0/000")
    assert tile.headers["content-type"] == "application/octet-stream"
    assert tile.headers["cache-control"] == "max-age=31536000, immutable"
    assert len(tile.content) == 8192
    leaves = [tile.content[at : at + 32] for at in range(0, 8192, 32)]
    assert (await log.get("/log/0/tile/1/000.p/1")).content == tree_head(leaves)
    bundle = await log.get("/log/0/tile/entries/000", accept_encoding="identity")
    assert "content-encoding" not in bundle.headers
    assert [hash_leaf(entry) for entry in decode_bundle(bundle.content)] == leaves


async def test_bundles_are_packed_for_whoever_takes_them_so(log: Api) -> None:
    async with log.client.stream(
        "GET", "/log/0/tile/entries/001.p/47", headers={"accept-encoding": "br, gzip"}
    ) as answer:
        packed = b"".join([chunk async for chunk in answer.aiter_raw()])
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.headers["vary"] == "accept-encoding"
    assert len(decode_bundle(gzip.decompress(packed))) == 47
    refusing = await log.get("/log/0/tile/entries/001.p/47", accept_encoding="gzip;q=0")
    assert "content-encoding" not in refusing.headers


async def test_an_event_is_proven_with_nothing_but_its_entry_and_the_key(log: Api) -> None:
    proof = await log.get("/log/0/proof/258")
    assert proof.headers["content-type"] == "text/plain; charset=utf-8"
    bundle = await log.get("/log/0/tile/entries/001.p/2")
    verifier = parse_vkey(await vkey(log))
    leaf = hash_leaf(decode_bundle(bundle.content)[1])
    assert parse_proof(proof.text).verify(leaf, verifier.name, [verifier.public_key]).size == SIZE
    assert (await log.get(f"/log/0/proof/258?size={SIZE}")).text == proof.text


async def test_any_two_sizes_are_proven_to_be_of_one_log(log: Api) -> None:
    body = (await log.get("/log/0/consistency?first=100&second=300")).json()
    proof = [base64.b64decode(one) for one in body["hashes"]]
    first, second = (base64.b64decode(body[tree]["root"]) for tree in ("first", "second"))
    assert verify_consistency(100, 300, first, second, proof)


@pytest.mark.parametrize(
    "path",
    [
        "0/1",
        "0/000.p/256",
        "64/000",
        "entries/1",
        "0/x000/001",
        "0",
        "0/000/extra/more",
        "0/%30000",
        "-1/000",
    ],
)
async def test_a_path_that_names_no_tile_is_told_so(log: Api, path: str) -> None:
    problem(await log.get(f"/log/0/tile/{path}"), 422, "invalid_tile")


@pytest.mark.parametrize(
    "path",
    ["tile/0/001", "tile/0/001.p/48", "tile/2/000.p/1", "tile/entries/001.p/48", "tile/0/x999/000", "proof/304",
     "proof/1?size=304", "consistency?first=1&second=304"],
)  # fmt: skip
async def test_what_is_not_sealed_yet_is_told_so_with_how_far_it_is(log: Api, path: str) -> None:
    body = problem(await log.get(f"/log/0/{path}"), 404, "not_sealed")
    assert body["size"] == SIZE
    assert body["retryable"]


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/log/1/checkpoint", 404, "shard_not_found"),
        ("/log/x/checkpoint", 404, "shard_not_found"),
        ("/log/0/proof/1?size=2", 404, "checkpoint_not_found"),
        ("/log/0/proof/one", 422, "invalid_request"),
        ("/log/0/proof/0", 422, "invalid_request"),
        ("/log/0/proof/1?size=0", 422, "invalid_request"),
        ("/log/0/consistency?first=3", 422, "invalid_request"),
        ("/log/0/consistency?first=3&second=2", 422, "invalid_request"),
        ("/log/0/checkpoint?size=1", 422, "invalid_request"),
        ("/log/0", 404, "not_found"),
    ],
)
async def test_what_is_asked_wrongly_is_told_so(
    log: Api, path: str, status: int, code: str
) -> None:
    problem(await log.get(path), status, code)


async def test_a_log_that_is_not_sealed_at_all_has_no_checkpoint(api: Api) -> None:
    assert problem(await api.get("/log/0/checkpoint"), 404, "not_sealed")["size"] == 0


async def test_readiness_names_a_place_that_checkpoints_do_not_reach(api: Api) -> None:
    async with sealing(api.ledger, api.settings, events=1) as found:
        await found.seal()
        await late(found)
        body = problem(await api.get("/readyz"), 503, "not_ready")
        assert "not published for" in body["checks"]["checkpoints webhook"]
        assert "secret" not in str(body)


async def late(found: Sealing) -> None:
    found.tamper(
        "insert into transparency.publications (shard, target, attempts, error)"
        " values (0, 'webhook:https://secret.example', 9, 'the answer was 500')",
        "update transparency.checkpoints set signed_at = signed_at - interval '1 hour'",
    )
