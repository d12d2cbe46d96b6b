"""Canonical JSON: byte for byte what `json.dumps` says, and one way to write an instant."""

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lending.ledger.canonical import (
    NotCanonical,
    canonical_json,
    instant_text,
    parse_instant,
    parse_json,
)

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\x00"))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner),
    max_leaves=20,
)


def reference(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()


@given(VALUES)
@example("".join(chr(code) for code in range(1, 256)))
@example("\u2028\u2029\ufeff\uffff\U0001f697\U0010ffff</script>")
@example("\\u0000")
@example("\\\\u0000")
@example("\\" * 7 + "u0000")
@example({"\\u0000": ["\\", "u0000"], "\\": "u0000"})
@example({"b": 1, "a": {"d": [], "c": {}}, "": None, "\U00010000": 1, "\uffff": 2, "B": 3})
@example([2**63 - 1, -(2**63), 0, True, False, None])
def test_it_is_what_json_dumps_writes(value: Any) -> None:
    assert canonical_json(value) == reference(value)
    assert parse_json(canonical_json(value)) == value


@pytest.mark.parametrize(
    "value",
    [
        "\x00",
        "a\x00b",
        "\\\x00",
        "\\\\\x00",
        "\\u0000\x00",
        {"\x00": 1},
        {"a": ["\x00"]},
        "\ud800",
        "\udfff and more",
        {"\ud800": 1},
        [2**64],
        [-(2**63) - 1],
        {1: "a"},
        {None: "a"},
        [object],
        {"a": {1, 2}},
        b"bytes",
        datetime(2026, 1, 1, tzinfo=UTC),
    ],
    ids=repr,
)
def test_what_it_cannot_hold_is_refused(value: Any) -> None:
    with pytest.raises(NotCanonical):
        canonical_json(value)


@given(prefix=TEXT, slashes=st.integers(0, 8), suffix=TEXT)
def test_the_text_backslash_u0000_is_text_and_the_character_is_refused(
    prefix: str, slashes: int, suffix: str
) -> None:
    text = prefix + "\\" * slashes + "u0000" + suffix
    assert canonical_json(text) == reference(text)
    with pytest.raises(NotCanonical):
        canonical_json(prefix + "\\" * slashes + "\x00" + suffix)


OFFSETS = st.timedeltas(timedelta(hours=-14), timedelta(hours=14)).map(
    lambda offset: timezone(timedelta(minutes=offset // timedelta(minutes=1)))
)


@given(st.datetimes(datetime(1900, 1, 1), datetime(2999, 1, 1), timezones=OFFSETS))  # noqa: DTZ001 zones are drawn apart
def test_an_instant_is_written_in_utc_with_six_digits_of_its_second(instant: datetime) -> None:
    written = instant_text(instant)
    assert written == instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    assert parse_instant(written) == instant


def test_whole_seconds_have_six_zeros() -> None:
    assert instant_text(datetime(2026, 3, 2, 9, 0, tzinfo=UTC)) == "2026-03-02T09:00:00.000000Z"
