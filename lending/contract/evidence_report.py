"""The report in a file of evidence: one page that tells in words what is on record, and prints.

What belongs here: how it reads. It holds no script and loads nothing. It is for reading: what proves
are the files beside it, whose digest it carries.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from html import escape
from types import MappingProxyType
from typing import Any, Final

from lending.contract.words import by_whom, sentence
from lending.domain import identities, models, policies, products, signing, suspensions
from lending.domain.application.events import Decided, Overridden, Scored
from lending.domain.registry import EpochOpened
from lending.ledger.canonical import instant_text
from lending.ledger.codec import StoredEvent as AnyEvent
from lending.ledger.notes import encoded
from lending.ledger.plain import plain
from lending.service.evidence.model import Evidence, PersonState, ProvenEvent
from lending.service.history import envelope_of

_STYLE: Final = (
    "body{font:14px/1.45 system-ui,sans-serif;max-width:70em;margin:2em auto;padding:0 1em}"
    "table{border-collapse:collapse;width:100%;margin:1em 0}"
    "th,td{padding:.35em .6em;border-bottom:1px solid #ccc;text-align:left;vertical-align:top}"
    "caption{text-align:left;font-weight:600;padding:.4em 0}tr{break-inside:avoid}"
    "code,pre{font:11px/1.35 ui-monospace,monospace;white-space:pre-wrap;overflow-wrap:anywhere;margin:.3em 0 0}"
    ":target{background:#ffc}@media print{body{margin:0;max-width:none}a{color:inherit}}"
)
_SHOWN: Final[Mapping[PersonState, str]] = MappingProxyType(
    {
        PersonState.SEALED: "is encrypted in this file, and reads (withheld)",
        PersonState.OPENED: "is shown in this file: look after it accordingly",
        PersonState.ERASED: "is erased: the key was destroyed, and it reads (erased)",
    }
)
_TOLD: Final[Mapping[type[Any], Callable[[Any], str]]] = MappingProxyType(
    {
        policies.PolicyPublished: lambda e: (
            f"published policy {e.name} version {e.version}, sha256 {e.digest}"
        ),
        policies.PolicyActivated: lambda e: (
            f"let policy {e.name} version {e.version} decide from"
            f" {'here' if e.effective_from is None else instant_text(e.effective_from)} on"
        ),
        policies.PolicyWithdrawn: lambda e: (
            f"withdrew policy {e.name} version {e.version}: {e.reason}"
        ),
        products.ProductPublished: lambda e: (
            f"published product {e.product.name} version {e.product.version}, sha256 {e.digest}"
        ),
        products.ProductWithdrawn: lambda e: (
            f"withdrew product {e.name} version {e.version}: {e.reason}"
        ),
        models.ModelRegistered: lambda e: (
            f"registered score model {e.name} version {e.version} of {e.owner}, artifact sha256"
            f" {e.artifact_digest}, valid from {e.valid_from} to {e.valid_to or 'its withdrawal'}"
        ),
        models.ModelWithdrawn: lambda e: (
            f"withdrew score model {e.name} version {e.version}: {e.reason}"
        ),
        identities.PrincipalRegistered: lambda e: (
            f"registered {e.name} ({e.kind.value}) as {', '.join(e.roles) or 'nothing'}"
        ),
        identities.KeyIssued: lambda e: f"issued key {e.key_id} to {e.principal}",
        identities.KeyRevoked: lambda e: f"revoked key {e.key_id}: {e.reason}",
        suspensions.Suspended: lambda e: f"suspended {e.name} ({e.subject.value}): {e.reason}",
        suspensions.Reinstated: lambda e: f"reinstated {e.name} ({e.subject.value}): {e.reason}",
        signing.SigningKeyIssued: lambda e: f"issued key {e.key_id} for signing checkpoints",
        signing.SigningKeyRevoked: lambda e: f"revoked signing key {e.key_id}: {e.reason}",
        EpochOpened: lambda e: (
            f"opened epoch {e.epoch} from position {e.first_position}, after an end was lost: {e.reason}"
        ),
    }
)


def report(found: Evidence, digest: str) -> bytes:
    """The page; `digest` is that of the files it tells of."""
    title = f"Evidence of application {found.application_id}"
    parts = [
        f"<h1>{escape(title)}</h1>",
        *_summary(found),
        _table(
            "What was decided", ("position", "when", "by whom", "what", "on"), _decisions(found)
        ),
        _table("What happened", ("version, position", "when", "who", "what"), _events(found)),
        _table("What is cited", ("position", "when", "who", "what"), _records(found)),
        _table(
            "Keys of the log", ("key", "on record at", "signs until", "revoked at"), _keys(found)
        ),
        _table("Persons", ("pseudonym", "what is personal"), _persons(found)),
    ]
    return (
        f'<!doctype html><html lang=en><meta charset=utf-8><meta name="lending-evidence" content="{digest}">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style><body>{''.join(parts)}</body></html>\n"
    ).encode()


def _summary(found: Evidence) -> Iterator[str]:
    state, checkpoint = found.state, found.checkpoint
    status = "cannot be told" if state is None else state.status.value
    yield (
        f"<p>Status after version {len(found.events)}: <b>{escape(status)}</b>. Amounts are in"
        f" {escape(_currency(found))}, times in UTC. Every event of the application up to position"
        f" {checkpoint.size} of the log is here: versions 1 to {len(found.events)}.</p>"
    )
    yield (
        f"<p>Log <code>{escape(checkpoint.origin)}</code>, {checkpoint.size} leaves, root"
        f" <code>{encoded(checkpoint.root)}</code>.</p>"
    )
    yield (
        "<p>This page is for reading. What proves is in the files beside it, each named by its"
        " position: <code>verify_evidence.py</code> checks them, with the key of the log, and that"
        " this page is the one made of them. README.txt says how.</p>"
    )


def _currency(found: Evidence) -> str:
    return "" if found.state is None else found.state.currency


def _decisions(found: Evidence) -> Iterator[Sequence[str]]:
    """Each decision with the score that was on file, and where in the page the rest is told."""
    score = ""
    for one in found.events:
        event = one.event
        if isinstance(event, Scored):
            model = f"{event.model} version {event.model_version}"
            score = f"score {event.score} of {escape(model)}, {_link(one.stored.position)}"
        elif isinstance(event, Decided | Overridden):
            policy = event.policy if isinstance(event, Decided) else None
            by = "" if policy is None else f"policy {policy.name} version {policy.version}"
            on = ", ".join(part for part in (escape(by), score) if part)
            yield _link(one.stored.position), _when(one), _who(one), event.outcome.value, on


def _events(found: Evidence) -> Iterator[Sequence[str]]:
    currency = _currency(found)
    known = {one.stored.position for one in found.records}
    for one in found.events:
        what = one.event if isinstance(one.event, str) else sentence(one.event, currency)
        place = f"{one.stored.version}, {_anchor(one)}"
        yield place, _when(one), _who(one), escape(what) + _links(one, found, known) + _data(one)


def _records(found: Evidence) -> Iterator[Sequence[str]]:
    for one in found.records:
        yield _anchor(one), _when(one), _who(one), escape(_told(one.event)) + _data(one)


def _told(event: AnyEvent | str) -> str:
    if isinstance(event, str):
        return event
    tell = _TOLD.get(type(event))
    return tell(event) if tell else event.stored_as.replace("_", " ")


def _anchor(one: ProvenEvent) -> str:
    """The event's position, to be linked to."""
    return f'<a id="p{one.stored.position}">{one.stored.position}</a>'


def _when(one: ProvenEvent) -> str:
    stored = one.stored
    recorded = escape(instant_text(stored.recorded_at))
    if stored.effective_at == stored.recorded_at:
        return recorded
    return f"{recorded}, counting from {escape(instant_text(stored.effective_at))}"


def _who(one: ProvenEvent) -> str:
    return escape(by_whom(envelope_of(one.stored)))


def _links(one: ProvenEvent, found: Evidence, known: set[int]) -> str:
    """Where in this page what the event cites is."""
    data: Mapping[str, Any] = one.stored.data
    cited = [data[name] for name in ("policy", "product") if isinstance(data.get(name), dict)]
    positions = [place for each in cited if (place := each.get("registry_position")) in known]
    positions += [
        record.stored.position
        for record in found.records
        if isinstance(record.event, models.ModelRegistered)
        and (record.event.name, record.event.version)
        == (data.get("model"), data.get("model_version"))
    ]
    return "".join(f" see {_link(position)}" for position in positions)


def _link(position: int) -> str:
    return f'<a href="#p{position}">{position}</a>'


def _data(one: ProvenEvent) -> str:
    """What the event holds, as far as it is shown."""
    held = one.stored.data if isinstance(one.event, str) else plain(one.event)
    return f"<pre>{escape(json.dumps(held, ensure_ascii=False, indent=None))}</pre>"


def _keys(found: Evidence) -> Iterator[Sequence[str]]:
    for key in found.keys:
        until = "" if key.signs_until is None else instant_text(key.signs_until)
        revoked = "" if key.revoked_position is None else _link(key.revoked_position)
        yield f"<code>{escape(key.vkey)}</code>", _link(key.position), until, revoked


def _persons(found: Evidence) -> Iterator[Sequence[str]]:
    for one in found.persons:
        yield escape(one.subject), escape(_SHOWN[one.state])


def _table(caption: str, heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; the cells are HTML."""
    head = "".join(f"<th>{escape(name)}</th>" for name in heads)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    if not body:
        return ""
    return f"<table><caption>{escape(caption)}</caption><tr>{head}</tr>{body}</table>"
