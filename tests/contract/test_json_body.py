"""JSON as it is accepted: exact numbers, and nothing that could be read in two ways."""

import json
import time
from contextlib import suppress
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lending.contract.json_body import MalformedJson, parse

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**17), 10**17)
    | st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text("abc"), inner),
    max_leaves=20,
)


@given(VALUES, st.booleans())
def test_what_json_says_is_what_is_read(value: Any, ascii_only: bool) -> None:
    assert parse(json.dumps(value, ensure_ascii=ascii_only).encode()) == value


@given(st.decimals(allow_nan=False, allow_infinity=False))
def test_numbers_are_read_exactly(number: Decimal) -> None:
    read = parse(str(number).encode())
    assert read == number
    assert not isinstance(read, float)


def test_long_integers_stay_exact_and_are_no_integers() -> None:
    assert parse(b"123456789012345678") == 123456789012345678
    assert parse(b"1234567890123456789") == Decimal(1234567890123456789)
    assert isinstance(parse(b"1234567890123456789"), Decimal)


LONG = {
    "digits": b"9" * 1_000_000,
    "open arrays": b"[" * 1_000_000,
    "open objects": b'{"":' * 250_000,
    "escaped quotes": b'"\\' * 500_000,
    "arrays": b"[" + b"[]," * 300_000 + b"[]]",
    "integers": b"[" + b"1," * 500_000 + b"1]",
}


@pytest.mark.parametrize("raw", LONG.values(), ids=LONG.keys())
def test_nothing_takes_long(raw: bytes) -> None:
    began = time.process_time()
    with suppress(MalformedJson):
        parse(raw)
    # What is not linear takes minutes; garbage collection in a large process takes a while.
    assert time.process_time() - began < 4


@given(st.binary())
def test_any_bytes_are_read_or_malformed(raw: bytes) -> None:
    with suppress(MalformedJson):
        parse(raw)
