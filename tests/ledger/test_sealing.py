"""Personal data at rest: what is sealed opens in its own place with its own key, and nowhere else."""

from binascii import a2b_base64
from collections import Counter
from os import urandom

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lending.domain.identifiers import uuid7
from lending.ledger.sealing import (
    KEY_BYTES,
    NONCE_BYTES,
    Keyring,
    MasterKey,
    SealBroken,
    WrappedKey,
    key_purpose,
)

MASTER = MasterKey(b"m" * KEY_BYTES, urandom)
ONE, OTHER = uuid7(0, 1_772_442_000_000, 1), uuid7(0, 1_772_442_000_000, 2)
PLACE = "noted.text"


def keyring(*subjects: str) -> Keyring:
    return Keyring(ONE, urandom).grow(list(subjects), MASTER)[0]


@given(value=st.binary(max_size=200), subject=st.text(min_size=1, max_size=20))
def test_what_was_sealed_opens(value: bytes, subject: str) -> None:
    keys = keyring(subject)
    assert keys.unseal(subject, PLACE, keys.seal(subject, PLACE, value)) == value


def test_the_same_value_is_never_sealed_alike() -> None:
    keys = keyring("a")
    sealed = Counter(keys.seal("a", PLACE, b"6500.00") for _ in range(1000))
    assert max(sealed.values()) == 1


@pytest.mark.parametrize(("subject", "place"), [("b", PLACE), ("a", "noted.topic"), ("a", "")])
def test_it_does_not_open_for_another_person_or_place(subject: str, place: str) -> None:
    keys = keyring("a", "b")
    sealed = keys.seal("a", PLACE, b"x")
    with pytest.raises(SealBroken, match="does not open"):
        keys.unseal(subject, place, sealed)


def test_it_does_not_open_in_another_application_even_with_the_same_key() -> None:
    one = Keyring(ONE, bytes).grow(["a"], MASTER)[0]
    other = Keyring(OTHER, bytes).grow(["a"], MASTER)[0]
    with pytest.raises(SealBroken):
        other.unseal("a", PLACE, one.seal("a", PLACE, b"x"))


@pytest.mark.parametrize("size", [0, 1, NONCE_BYTES - 5, NONCE_BYTES, NONCE_BYTES + 15])
def test_what_is_too_short_to_be_sealed_does_not_open(size: int) -> None:
    keys = keyring("a")
    full = keys.seal("a", PLACE, b"")
    with pytest.raises(SealBroken):
        keys.unseal("a", PLACE, full[: size * 4 // 3])


@pytest.mark.parametrize("text", ["", "no base64!", "\u00e4", "AAAA=AAA", "A", " " * 40])
def test_what_is_not_base64_does_not_open(text: str) -> None:
    with pytest.raises(SealBroken):
        keyring("a").unseal("a", PLACE, text)


def test_another_spelling_of_the_same_bytes_does_not_open() -> None:
    """Base64 leaves bits of its last letter unused; only as it was written is it read."""
    keys = keyring("a")
    sealed = keys.seal("a", PLACE, b"x")
    assert sealed.endswith("=")
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    respelt = sealed[:-2] + letters[letters.index(sealed[-2]) + 1] + "="
    assert a2b_base64(respelt) == a2b_base64(sealed)
    with pytest.raises(SealBroken):
        keys.unseal("a", PLACE, respelt)


def test_without_the_row_of_a_key_reading_is_a_fault_and_so_is_writing() -> None:
    sealed = keyring("a").seal("a", PLACE, b"x")
    with pytest.raises(SealBroken, match="missing"):
        keyring("b").unseal("a", PLACE, sealed)
    with pytest.raises(SealBroken, match="no key"):
        keyring("b").seal("a", PLACE, b"x")


class TestDestroyedKeys:
    def test_what_they_sealed_is_gone(self) -> None:
        keys, _ = Keyring(ONE, urandom).grow(["a"], MASTER)
        sealed = keys.seal("a", PLACE, b"x")
        left = Keyring.unwrap(ONE, [WrappedKey("a", None)], MASTER, urandom)
        assert left.unseal("a", PLACE, sealed) is None
        assert left.unseal("a", PLACE, "whatever is left") is None

    def test_nothing_more_is_sealed_with_them(self) -> None:
        left = Keyring.unwrap(ONE, [WrappedKey("a", None)], MASTER, urandom)
        with pytest.raises(SealBroken, match="no key"):
            left.seal("a", PLACE, b"x")

    def test_they_are_not_made_again(self) -> None:
        left = Keyring.unwrap(ONE, [WrappedKey("a", None)], MASTER, urandom)
        grown, rows = left.grow(["a"], MASTER)
        assert grown is left
        assert rows == []
        assert left.holds("a")


class TestKeys:
    def test_are_stored_wrapped_and_open_again(self) -> None:
        keys, rows = Keyring(ONE, urandom).grow(["a", "b"], MASTER)
        assert [row.subject for row in rows] == ["a", "b"]
        again = Keyring.unwrap(ONE, rows, MASTER, urandom)
        assert again.unseal("b", PLACE, keys.seal("b", PLACE, b"x")) == b"x"

    def test_are_made_only_for_those_who_have_none(self) -> None:
        keys, first = Keyring(ONE, urandom).grow(["a"], MASTER)
        grown, second = keys.grow(["a", "b"], MASTER)
        assert [row.subject for row in [*first, *second]] == ["a", "b"]
        assert not keys.holds("b")
        assert grown.unseal("a", PLACE, keys.seal("a", PLACE, b"x")) == b"x"

    def test_open_only_for_their_own_person_application_and_master(self) -> None:
        _, (row,) = Keyring(ONE, urandom).grow(["a"], MASTER)
        stranger = MasterKey(b"n" * KEY_BYTES, urandom)
        for application_id, subject, master in [
            (OTHER, "a", MASTER),
            (ONE, "b", MASTER),
            (ONE, "a", stranger),
        ]:
            with pytest.raises(SealBroken, match="master key"):
                Keyring.unwrap(application_id, [WrappedKey(subject, row.wrapped)], master, urandom)

    @pytest.mark.parametrize("wrapped", [b"", b"short", bytes(NONCE_BYTES), bytes(60)], ids=len)
    def test_that_are_damaged_do_not_open(self, wrapped: bytes) -> None:
        with pytest.raises(SealBroken):
            MASTER.unwrap(wrapped, key_purpose(ONE, "a"))

    @pytest.mark.parametrize("size", [0, 16, 31, 33])
    def test_a_master_key_has_32_bytes(self, size: int) -> None:
        with pytest.raises(ValueError, match="32 bytes"):
            MasterKey(bytes(size), urandom)
