"""Next steps as JSON: each allowed command with where it is sent, and the schema of its body.

Answers carry them all, so they are written once for each set of commands, with a place left for the
application's id. Ids of offers and kinds of holds stand in a path as `{offer_id}` and `{kind}`.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Final
from uuid import UUID

import orjson

from lending.contract.bodies import SCHEMA_REFERENCE
from lending.contract.command_table import ROUTES
from lending.domain.application.commands import command_name

DOCUMENT: Final = "/openapi.json"
"""Where the schemas are: the OpenAPI document."""

METHOD: Final = "POST"
_PLACE: Final = b"{application_id}"
_SETS_MAX: Final = 4_096
_STEPS: Final = {
    command_name(route.command): orjson.dumps(
        {
            "command": command_name(route.command),
            "method": METHOD,
            "path": route.path,
            "schema": DOCUMENT + SCHEMA_REFERENCE.format(model=route.command.__name__),
        }
    )
    for route in ROUTES
}


def next_steps(names: Sequence[str], application_id: UUID | None) -> orjson.Fragment:
    """These commands, sent to this application; with its id left open where there is none yet."""
    written = _written(tuple(names))
    if application_id is None:
        return orjson.Fragment(written)
    return orjson.Fragment(written.replace(_PLACE, str(application_id).encode("ascii")))


@lru_cache(_SETS_MAX)
def _written(names: tuple[str, ...]) -> bytes:
    return b"[" + b",".join(_STEPS[name] for name in names) + b"]"
