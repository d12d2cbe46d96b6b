"""Identifiers: UUIDv7s that say where a stream lives (RFC 9562, section 5.7)."""

from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lending.domain.identifiers import (
    MAX_SHARD,
    NO_TARGET,
    is_application_id,
    registry_id,
    shard_of,
    uuid7,
)

SHARDS = st.integers(0, MAX_SHARD)
INSTANTS = st.integers(1, 2**48 - 1)
RANDOM = st.integers(0, 2**80)


@given(shard=SHARDS, unix_ms=INSTANTS, random_bits=RANDOM)
def test_an_id_says_its_shard_and_its_time(shard: int, unix_ms: int, random_bits: int) -> None:
    made = uuid7(shard, unix_ms, random_bits)
    assert shard_of(made) == shard
    assert made.int >> 80 == unix_ms
    assert made.version == 7
    assert made.variant == "specified in RFC 4122"
    assert is_application_id(made)


@given(shard=SHARDS, earlier=INSTANTS, later=INSTANTS, one=RANDOM, other=RANDOM)
def test_ids_sort_by_creation(shard: int, earlier: int, later: int, one: int, other: int) -> None:
    if earlier < later:
        first, second = uuid7(shard, earlier, one), uuid7(shard, later, other)
        assert first < second
        assert str(first) < str(second)


def test_random_bits_beyond_62_are_dropped() -> None:
    assert uuid7(3, 5, 2**62 + 9) == uuid7(3, 5, 9)
    assert uuid7(3, 5, 9) != uuid7(3, 5, 8)


def test_is_written_as_in_the_standard() -> None:
    made = uuid7(0xABC, 0x0123456789AB, 0x1234567890ABCDEF)
    assert str(made) == "01234567-89ab-7abc-9234-567890abcdef"


@pytest.mark.parametrize("shard", [-1, MAX_SHARD + 1])
def test_there_are_4096_shards(shard: int) -> None:
    with pytest.raises(ValueError, match=r"outside 0\.\.4095"):
        uuid7(shard, 1, 1)


@pytest.mark.parametrize("unix_ms", [-1, 2**48])
def test_there_is_no_id_of_an_instant_beyond_48_bits(unix_ms: int) -> None:
    with pytest.raises(ValueError, match="out of range"):
        uuid7(0, unix_ms, 1)


def test_every_shard_has_one_registry_and_it_is_no_application() -> None:
    registries = {registry_id(shard) for shard in range(MAX_SHARD + 1)}
    assert len(registries) == MAX_SHARD + 1
    assert not any(is_application_id(registry) for registry in registries)
    assert [shard_of(registry_id(shard)) for shard in (0, 7, MAX_SHARD)] == [0, 7, MAX_SHARD]
    assert str(registry_id(0)) == "00000000-0000-7000-8000-000000000001"


@pytest.mark.parametrize("other", [NO_TARGET, UUID(int=1), uuid4(), UUID(int=2**128 - 1)])
def test_other_uuids_are_no_applications(other: UUID) -> None:
    assert not is_application_id(other)
