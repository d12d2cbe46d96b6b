"""Notes, checkpoints and proofs are read and written as C2SP has them, and nothing else passes for one."""

from dataclasses import replace
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lending.ledger.checkpoints import (
    Checkpoint,
    CheckpointFault,
    Origin,
    open_checkpoint,
    parse_checkpoint,
    parse_origin,
    sign_checkpoint,
)
from lending.ledger.merkle import hash_leaf, hashes_of, in_memory, inclusion_path, tree_head
from lending.ledger.notes import (
    NoteFault,
    Signer,
    Verifier,
    open_note,
    parse_note,
    parse_vkey,
    public_key_of,
    sign_note,
)
from lending.ledger.proofs import InclusionProof, ProofFault, parse_proof

# The example of golang.org/x/mod/sumdb/note: its key and the note it signed.
GO_VKEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
GO_SIGNATURE = (
    "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM="
)
GO_NOTE = f"{GO_TEXT}\n\N{EM DASH} PeterNeumann {GO_SIGNATURE}\n"
ORIGIN = str(Origin(UUID("019c0000-0000-7000-8000-00000000aaaa"), 0, 1))
SEED, OTHER_SEED = bytes(range(32)), bytes(range(1, 33))
LEAVES = [hash_leaf(str(index).encode()) for index in range(300)]
CHECKPOINT = Checkpoint(ORIGIN, 300, tree_head(LEAVES))
NOTE = sign_checkpoint(CHECKPOINT, [SEED])
PROOF = InclusionProof(41, hashes_of(inclusion_path(41, 300), in_memory(LEAVES)), NOTE)


def test_a_note_that_go_signed_is_verified() -> None:
    verifier = parse_vkey(GO_VKEY)
    note, signed = open_note(GO_NOTE, [verifier])
    assert (note.text, signed) == (GO_TEXT, (verifier,))


def test_a_key_reads_as_it_was_written() -> None:
    assert parse_vkey(GO_VKEY).vkey == GO_VKEY
    verifier = Signer("example.com/log", SEED).verifier
    assert parse_vkey(verifier.vkey) == verifier


@pytest.mark.parametrize(
    "vkey",
    [
        "",
        "name",
        "name+00000000",
        GO_VKEY.replace("c74f20a3", "c74f20a4"),
        GO_VKEY[:-4],
        f"a {GO_VKEY}",
    ],
)
def test_what_is_no_key_is_refused(vkey: str) -> None:
    with pytest.raises(NoteFault):
        parse_vkey(vkey)


def test_both_keys_of_a_rotation_sign_and_either_is_enough() -> None:
    note = sign_checkpoint(CHECKPOINT, [SEED, OTHER_SEED])
    for seeds in ([SEED], [OTHER_SEED], [SEED, OTHER_SEED]):
        checkpoint, signed = open_checkpoint(note, ORIGIN, map(public_key_of, seeds))
        assert checkpoint == CHECKPOINT
        assert len(signed) == len(seeds)


def test_a_note_of_no_known_key_is_refused() -> None:
    with pytest.raises(NoteFault, match="not signed by any"):
        open_checkpoint(NOTE, ORIGIN, [public_key_of(OTHER_SEED)])


def test_a_known_key_whose_signature_is_wrong_refuses_the_note_even_beside_a_right_one() -> None:
    note = sign_checkpoint(CHECKPOINT, [SEED, OTHER_SEED])
    lines = note.splitlines(keepends=True)
    forged = lines[-1][:-8] + ("AAAA" if lines[-1][-8:-4] != "AAAA" else "BBBB") + lines[-1][-4:]
    keys = [public_key_of(SEED), public_key_of(OTHER_SEED)]
    with pytest.raises(NoteFault):
        open_checkpoint("".join([*lines[:-1], forged]), ORIGIN, keys)


@given(st.integers(0, len(NOTE.encode()) - 1), st.integers(0, 7))
def test_a_checkpoint_with_one_bit_changed_is_refused(place: int, bit: int) -> None:
    blob = bytearray(NOTE.encode())
    blob[place] ^= 1 << bit
    try:
        note = blob.decode()
    except UnicodeDecodeError:
        return
    with pytest.raises(NoteFault):
        open_checkpoint(note, ORIGIN, [public_key_of(SEED)])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a\n1\n",
        "a\n01\nx\n",
        "a\n-1\nx\n",
        f"a\n1\n{'A' * 44}\n",
        f"\n1\n{'A' * 43}=\n",
        f"a\n1\n{'A' * 43}=",
    ],
)
def test_what_is_no_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(NoteFault):
        parse_checkpoint(text)


def test_a_checkpoint_reads_as_it_was_written_and_may_have_more_lines() -> None:
    assert parse_checkpoint(CHECKPOINT.text()) == CHECKPOINT
    longer = replace(CHECKPOINT, extensions=("one more", "and another"))
    assert longer.text() == CHECKPOINT.text() + "one more\nand another\n"
    assert parse_checkpoint(longer.text()) == longer


def test_a_checkpoint_of_another_log_is_refused() -> None:
    other = ORIGIN.removesuffix("1") + "2"
    text = Checkpoint(other, 300, CHECKPOINT.root).text()
    note = sign_note(text, [Signer(ORIGIN, SEED)])
    with pytest.raises(CheckpointFault, match="not of"):
        open_checkpoint(note, ORIGIN, [public_key_of(SEED)])


def test_an_origin_names_ledger_shard_and_epoch() -> None:
    assert str(parse_origin(ORIGIN)) == ORIGIN
    with pytest.raises(CheckpointFault):
        parse_origin("example.com/log")


@pytest.mark.parametrize(
    "note", ["", "text\n", "text\n\n", "text\n\nno signature\n", "a\tb\n\n\N{EM DASH} n AAAAAAA=\n"]
)
def test_what_is_no_note_is_refused(note: str) -> None:
    with pytest.raises(NoteFault):
        parse_note(note)


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\u2003b", "a\nb"])
def test_a_key_has_a_name_that_a_note_can_hold(name: str) -> None:
    with pytest.raises(NoteFault):
        Verifier(name, bytes(32))


@pytest.mark.parametrize("extra", [None, b"", b"anything"], ids=["none", "empty", "some"])
def test_a_proof_reads_as_it_was_written(extra: bytes | None) -> None:
    proof = InclusionProof(PROOF.index, PROOF.hashes, PROOF.note, extra)
    assert parse_proof(proof.text()) == proof


def test_a_proof_of_a_tree_of_one_leaf_has_no_hashes() -> None:
    note = sign_checkpoint(Checkpoint(ORIGIN, 1, LEAVES[0]), [SEED])
    proof = parse_proof(InclusionProof(0, (), note).text())
    assert proof.verify(LEAVES[0], ORIGIN, [public_key_of(SEED)]).size == 1


def test_a_proof_leads_from_its_leaf_to_its_checkpoint_and_from_no_other() -> None:
    keys = [public_key_of(SEED)]
    assert PROOF.verify(LEAVES[41], ORIGIN, keys) == CHECKPOINT
    with pytest.raises(ProofFault, match="do not lead"):
        PROOF.verify(LEAVES[42], ORIGIN, keys)


def test_a_proof_of_a_leaf_beyond_its_checkpoint_is_refused() -> None:
    proof = InclusionProof(300, PROOF.hashes, NOTE)
    with pytest.raises(ProofFault, match="300 leaves"):
        proof.verify(LEAVES[41], ORIGIN, [public_key_of(SEED)])


@given(st.integers(0, len(PROOF.text().encode()) - 1), st.integers(0, 7))
def test_a_proof_with_one_bit_changed_is_refused(place: int, bit: int) -> None:
    blob = bytearray(PROOF.text().encode())
    blob[place] ^= 1 << bit
    try:
        text = blob.decode()
    except UnicodeDecodeError:
        return
    with pytest.raises(NoteFault):
        parse_proof(text).verify(LEAVES[41], ORIGIN, [public_key_of(SEED)])
