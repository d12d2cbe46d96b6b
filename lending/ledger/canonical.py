"""The one encoding of what is stored and hashed: canonical JSON and canonical instants.

Canonical JSON is, byte for byte, `json.dumps(sort_keys=True, ensure_ascii=False, separators=(",",
":"))` in UTF-8, of strings, integers of 64 bits, booleans, null, arrays and objects; never a float,
never U+0000, never a lone surrogate.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final, cast

import orjson

JsonValue = None | bool | int | str | Sequence["JsonValue"] | Mapping[str, "JsonValue"]
JsonObject = dict[str, JsonValue]


_OPTIONS: Final = (
    orjson.OPT_SORT_KEYS | orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME
)
_NUL: Final = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


class NotCanonical(ValueError):
    """A value that canonical JSON cannot hold."""


def canonical_json(value: object) -> bytes:
    """The canonical bytes of `value`; that it holds no float is the types' business.

    Raises NotCanonical for what canonical JSON cannot hold.
    """
    try:
        encoded = orjson.dumps(value, option=_OPTIONS)
    except TypeError as error:
        raise NotCanonical(str(error)) from error
    if b"\\u0000" in encoded and _NUL.search(encoded):
        raise NotCanonical("U+0000 cannot be stored")
    return encoded


def parse_json(encoded: bytes | str) -> JsonValue:
    """The value of JSON text that this ledger wrote."""
    return cast(JsonValue, orjson.loads(encoded))


def instant_text(instant: datetime) -> str:
    """An instant as it is stored: `YYYY-MM-DDTHH:MM:SS.ffffffZ`."""
    # orjson takes a third of the time of isoformat; it leaves out a fraction that is zero
    text = orjson.dumps(instant.astimezone(UTC), option=orjson.OPT_UTC_Z).decode()
    return text[1:-1] if instant.microsecond else text[1:-2] + ".000000Z"


def parse_instant(text: str) -> datetime:
    """The instant that `instant_text` wrote."""
    return datetime.fromisoformat(text)
