"""What events say by digest, held against what is on record; and the postings of each, which sum to
zero.

What belongs here: checks of one event beside the registry of its shard, which the write side made
sure of when it was recorded. A score names its model's artifact freely unless the ledger was
configured otherwise at the time, so that is nothing to hold against it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from hashlib import sha256
from typing import Any

import orjson
from psycopg.types.json import set_json_loads

from lending.domain.application.events import PolicyCited
from lending.domain.identifiers import registry_id
from lending.domain.policies import PolicyPublished
from lending.domain.products import ProductPublished
from lending.domain.servicing.events import ProductCited
from lending.ledger.canonical import canonical_json
from lending.ledger.findings import Discrepancy, Finding
from lending.runtime.postgres import Connection
from projections.loan_events import booking_of
from projections.model import Happened
from projections.reading import SQL

Version = tuple[str, str]
"""A name and a version."""


@dataclass(frozen=True, slots=True)
class Published:
    """A version as the registry has it: the digest it was given, and that of what is stored."""

    position: int
    digest: str
    own_digest: str


@dataclass(frozen=True, slots=True)
class Citations:
    """What a shard's registry has published, by what it is, its name and its version."""

    published: Mapping[str, Mapping[Version, Published]] = field(default_factory=dict)

    def of(self, happened: Happened) -> Iterator[Finding]:
        """What is wrong with what an event cites or posts."""
        event: Any = happened.event
        for kind in ("policy", "product"):
            cited = getattr(event, kind, None)
            if isinstance(cited, PolicyCited | ProductCited) and cited.registry_position:
                yield from self._cited(happened, kind, cited)
        booking = booking_of(event)
        if booking is not None and sum((one.amount for one in booking.postings), Decimal(0)):
            at = happened.position, happened.application_id, "data.booking.postings"
            yield Finding(Discrepancy.JOURNAL_UNBALANCED, *at, "its postings do not sum to zero")

    def _cited(
        self, happened: Happened, kind: str, cited: PolicyCited | ProductCited
    ) -> Iterator[Finding]:
        known = self.published.get(kind, {}).get((cited.name, cited.version))
        if known is not None:
            if (known.position, known.digest) == (cited.registry_position, cited.digest):
                return
        elif not any(self.published.values()):
            return  # a log without registry: every ledger's own begins with a policy
        what = f"the {kind} {cited.name} {cited.version}"
        text = f"{what} is not on record at position {cited.registry_position} with this digest"
        at = happened.position, happened.application_id, f"data.{kind}"
        yield Finding(Discrepancy.DIGEST_DIFFERS, *at, text)

    def faults(self, shard: int) -> Iterator[Finding]:
        """The versions that are not what their digests say."""
        for kind, versions in self.published.items():
            for (name, version), one in versions.items():
                if one.digest != one.own_digest:
                    text = f"the {kind} {name} {version} is not what its digest says"
                    at = one.position, registry_id(shard), "data.digest"
                    yield Finding(Discrepancy.DIGEST_DIFFERS, *at, text)


async def read_citations(connection: Connection, shard: int) -> Citations:
    """What the registry of a shard has published."""
    set_json_loads(orjson.loads, connection)
    types = [PolicyPublished.stored_as, ProductPublished.stored_as]
    asked = {"shard": shard, "registry": registry_id(shard), "types": types}
    rows = await (await connection.execute(SQL["published"], asked)).fetchall()
    found: dict[str, dict[Version, Published]] = {"policy": {}, "product": {}}
    for position, event_type, data in rows:
        kind = "policy" if event_type == PolicyPublished.stored_as else "product"
        name, own = _of_policy(data) if kind == "policy" else _of_product(data)
        found[kind].setdefault(name, Published(position, str(data.get("digest")), own))
    return Citations(found)


def _of_policy(data: Any) -> tuple[Version, str]:
    definition = str(data.get("definition"))
    name = str(data.get("name")), str(data.get("version"))
    return name, sha256(definition.encode()).hexdigest()


def _of_product(data: Any) -> tuple[Version, str]:
    product = data.get("product")
    product = product if isinstance(product, dict) else {}
    name = str(product.get("name")), str(product.get("version"))
    return name, sha256(canonical_json(product)).hexdigest()
