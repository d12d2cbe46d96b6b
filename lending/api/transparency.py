"""The endpoints of the transparency log, and how the OpenAPI document describes them.

Checkpoints, tiles and bundles are where C2SP tlog-tiles has them, under /log/SHARD/; proofs of
single events as C2SP tlog-proof, which spares a client the tiles.
"""

import gzip
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from starlette.responses import Response

from lending.api import openapi
from lending.api.answer_schemas import TEXT, WHOLE, or_null, page, record, reference
from lending.api.answers import Answer, Header
from lending.api.incoming import Incoming
from lending.api.operations import NONE
from lending.api.problems import Fault, Problem, invalid_parameter
from lending.api.query import Query, number
from lending.api.routing import Endpoint
from lending.contract.rendering import json_bytes
from lending.domain.authority import Permission
from lending.ledger.notes import encoded
from lending.ledger.tiles import PATTERN, Bundle, parse_tile_path
from lending.service.transparency.log import Head, TransparencyLog

LOG: Final = "/log/{shard}"
SIZE_MAX: Final = 9_999_999_999

_TEXT: Final = b"text/plain; charset=utf-8"
_BYTES: Final = b"application/octet-stream"
_IMMUTABLE: Final[Header] = (b"cache-control", b"max-age=31536000, immutable")
_GZIP: Final = re.compile(rb"(?:^|,)\s*gzip\s*(?:;\s*q=(?!0(?:\.0*)?\s*(?:,|$))[^,]*)?(?=,|$)")
_NUMBER: Final = re.compile(r"0|[1-9][0-9]{0,9}", re.ASCII)

_SIZE: Final = number(
    "size", 1, SIZE_MAX, "The size of the checkpoint to prove it to; else the newest."
)
_FIRST: Final = number("first", 0, SIZE_MAX, "How many leaves the earlier tree has.")
_SECOND: Final = number("second", 0, SIZE_MAX, "How many leaves the later tree has.")
PROOF: Final = Query(_SIZE)
CONSISTENCY: Final = Query(_FIRST, _SECOND)


class LogEndpoints:
    """The endpoints of the transparency log."""

    def __init__(self, log: TransparencyLog) -> None:
        self._log = log

    async def checkpoint(self, request: Incoming) -> Response:
        """The newest checkpoint, as a signed note."""
        NONE.read(request.query)
        found = await self._log.checkpoint(_shard(request))
        return Answer(found.note.encode(), media_type=_TEXT)

    async def tile(self, request: Incoming) -> Response:
        """A tile, or the entries under one."""
        NONE.read(request.query)
        shard, tile = _shard(request), parse_tile_path(request.in_path["tile"])
        if not isinstance(tile, Bundle):
            return _immutable(await self._log.tile(shard, tile))
        entries = await self._log.bundle(shard, tile)
        if _GZIP.search(request.named.get(b"accept-encoding", b"")) is None:
            return _immutable(entries, (b"vary", b"accept-encoding"))
        packed = (b"content-encoding", b"gzip")
        return _immutable(gzip.compress(entries, mtime=0), packed, (b"vary", b"accept-encoding"))

    async def proof(self, request: Incoming) -> Response:
        """That one event is in the log."""
        asked = PROOF.read(request.query)
        shard, position = _shard(request), request.in_path["position"]
        if not _NUMBER.fullmatch(position) or int(position) < 1:
            raise invalid_parameter("position", "must be a position of the log, 1 or more")
        proof = await self._log.inclusion(shard, int(position), asked.get("size"))
        return Answer(proof.text().encode(), media_type=_TEXT)

    async def consistency(self, request: Incoming) -> Response:
        """That one tree extends another."""
        asked = CONSISTENCY.read(request.query)
        for parameter in CONSISTENCY.parameters:
            if parameter.name not in asked:
                raise invalid_parameter(parameter.name, "is needed")
        if asked["first"] > asked["second"]:
            raise invalid_parameter("first", "must not be more than second")
        found = await self._log.consistency(_shard(request), asked["first"], asked["second"])
        return Answer(
            json_bytes(
                {
                    "first": _head(found.first),
                    "second": _head(found.second),
                    "hashes": [encoded(one) for one in found.hashes],
                }
            )
        )

    async def keys(self, request: Incoming) -> Response:
        """The keys that checkpoints are checked with."""
        NONE.read(request.query)
        items = [
            {
                "key_id": one.key.key_id,
                "vkey": one.vkey,
                "position": one.key.position,
                "signs_until": None
                if one.key.signs_until is None
                else one.key.signs_until.isoformat(),
                "revoked_position": one.key.revoked_position,
            }
            for one in await self._log.keys(_shard(request))
        ]
        return Answer(json_bytes({"items": items, "next": None}))


def routes(log: TransparencyLog) -> Iterator[tuple[str, str, Endpoint, dict[str, Any]]]:
    """Method, path, endpoint and operation of each route."""
    to = LogEndpoints(log)
    text: dict[str, Any] = {"type": "string"}
    binary: dict[str, Any] = {"type": "string", "format": "binary"}
    shard = openapi.in_path("shard", {**text, "pattern": "^(0|[1-9][0-9]{0,9})$"}, "The shard.")
    tile = openapi.in_path(
        "tile",
        {**text, "pattern": PATTERN},
        "LEVEL/INDEX or entries/INDEX, such as `0/x001/000.p/7`.",
    )
    position = openapi.in_path(
        "position", {**text, "pattern": "^[1-9][0-9]{0,9}$"}, "The event's position in the shard."
    )
    rows: Sequence[tuple[str, Endpoint, str, str, Mapping[str, Any], dict[str, Any]]] = (
        ("/checkpoint", to.checkpoint, "read_checkpoint", "The newest checkpoint of a log", text,
         {"media_type": "text/plain"}),
        ("/tile/{tile:path}", to.tile, "read_tile", "A tile of a log, or the entries under one",
         binary, {"media_type": "application/octet-stream", "more": [tile]}),
        ("/proof/{position}", to.proof, "read_inclusion_proof", "Proof that an event is in a log",
         text, {"media_type": "text/plain", "more": [position, *openapi.in_query(PROOF)]}),
        ("/consistency", to.consistency, "read_consistency_proof",
         "Proof that a log only grew between two sizes", reference("ConsistencyProof"),
         {"more": [{**one, "required": True} for one in openapi.in_query(CONSISTENCY)]}),
        ("/keys", to.keys, "list_signing_keys", "The keys that checkpoints are checked with",
         page("PublicSigningKey"), {}),
    )  # fmt: skip
    for path, endpoint, name, summary, schema, more in rows:
        operation = openapi.reading(
            name,
            summary,
            schema,
            tag="transparency log",
            parameters=[shard, *more.get("more", ())],
            statuses=(403, *openapi.OF_ONE),
            media_type=more.get("media_type", "application/json"),
        )
        yield "GET", LOG + path, endpoint, operation


def components() -> dict[str, Any]:
    """The components that describe the answers of these routes, by name."""
    head = record(size=WHOLE, root=TEXT)
    return {
        "ConsistencyProof": record(
            first=head, second=head, hashes={"type": "array", "items": dict(TEXT)}
        ),
        "PublicSigningKey": record(
            key_id=TEXT,
            vkey=TEXT,
            position=WHOLE,
            signs_until=or_null(TEXT),
            revoked_position=or_null(WHOLE),
        ),
    }


def _shard(request: Incoming) -> int:
    request.require(Permission.READ_EVENTS)
    text = request.in_path["shard"]
    if not _NUMBER.fullmatch(text):
        raise Problem(Fault.SHARD_NOT_FOUND)
    return int(text)


def _immutable(body: bytes, *headers: Header) -> Answer:
    """What never changes, and may be kept; who may not ask does not get it from a shared cache."""
    answer = Answer(body, media_type=_BYTES)
    kept = [one for one in answer.raw_headers if one[0] != _IMMUTABLE[0]]
    answer.raw_headers = [*kept, _IMMUTABLE, *headers]
    return answer


def _head(head: Head) -> dict[str, Any]:
    return {"size": head.size, "root": encoded(head.root)}
