"""Identifiers: UUIDv7s that say in which shard a stream lives (RFC 9562, section 5.7).

The 48-bit millisecond timestamp comes first, so ids sort by creation; the 12 bits of `rand_a` carry
the shard.
"""

from typing import Final
from uuid import UUID

SHARD_BITS: Final = 12
MAX_SHARD: Final = (1 << SHARD_BITS) - 1
_RANDOM_BITS: Final = 62
_VERSION_7: Final = 7 << 76
_VARIANT: Final = 2 << 62
NO_TARGET: Final = UUID(int=0)
"""Stands for "no application yet" where a column cannot be null: the scope of an apply's
idempotency key.
"""


def uuid7(shard: int, unix_ms: int, random_bits: int) -> UUID:
    """A UUIDv7 of `unix_ms` (since 1970) in `shard`, with the low 62 bits of `random_bits`."""
    if not 0 <= shard <= MAX_SHARD:
        raise ValueError(f"shard {shard} is outside 0..{MAX_SHARD}")
    random = random_bits & ((1 << _RANDOM_BITS) - 1)
    return UUID(int=(unix_ms << 80) | _VERSION_7 | (shard << 64) | _VARIANT | random)


def is_application_id(identifier: UUID) -> bool:
    """Whether `identifier` could have been made by `uuid7` and is not a registry's id."""
    return identifier.version == 7 and identifier.int >> 80 != 0


def shard_of(identifier: UUID) -> int:
    """The shard in which the stream `identifier` lives."""
    return (identifier.int >> 64) & MAX_SHARD


def registry_id(shard: int) -> UUID:
    """The id of the shard's registry stream: the stream of what belongs to no application."""
    return uuid7(shard, 0, 1)
