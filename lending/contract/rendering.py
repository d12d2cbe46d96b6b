"""What answers say: events, applications and commands' outcomes as JSON.

Amounts, rates and scores are decimal strings, instants always `YYYY-MM-DDTHH:MM:SS.ffffffZ`, what a
person's key was destroyed for is `{"erased": true}`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import is_dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import orjson

from lending.contract.differences import differing_members
from lending.contract.next_steps import next_steps
from lending.contract.outcomes import effect_of
from lending.contract.positions import position_text
from lending.domain.application.state import INITIAL, Application
from lending.domain.fields import ERASED
from lending.domain.identifiers import shard_of
from lending.domain.money import in_currency
from lending.domain.servicing.state import Loan
from lending.ledger.canonical import instant_text
from lending.ledger.codec import StoredEvent
from lending.ledger.leaf import Envelope
from lending.ledger.plain import decimal_text, field_names, plain
from lending.service.aggregates import Aggregate
from lending.service.requests import CommandAnswer, Rehearsal

STORED: Final = "stored"
"""The status that the answer to an apply gives."""
OTHER_OPEN_APPLICATIONS: Final = "other_open_applications"
"""The code of the warning that the applicant has other applications under way."""
PERSONAL_PSEUDONYM: Final = "personal_pseudonym"
"""The code of the warning that a pseudonym looks like an e-mail address or a name."""

_OPTIONS: Final = (
    orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_NON_STR_KEYS
)
_ERASED: Final[Mapping[str, bool]] = {"erased": True}
_REHEARSED: Final[Mapping[str, Any]] = dict.fromkeys(
    (
        "shard", "position", "application_id", "version", "actor", "actor_kind", "agent_build",
        "on_behalf_of", "authority", "effective_at", "effective_on", "recorded_at", "epoch",
        "command_id", "correlation_id", "causation_id",
    )
)  # fmt: skip


def json_bytes(value: Any) -> bytes:
    """`value` as JSON: decimals, instants, dates, durations (ISO 8601) and UUIDs as strings."""
    return orjson.dumps(value, _written, _OPTIONS)


def _written(value: Any) -> Any:
    if isinstance(value, Decimal):
        return decimal_text(value)
    if isinstance(value, datetime):
        return instant_text(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, timedelta):
        return f"PT{value.total_seconds():.6f}S"
    return _given(value) if is_dataclass(value) else plain(value)


def _given(value: Any) -> dict[str, Any]:
    """The fields of a dataclass that are not None; what is in them is written where it is met."""
    return {
        name: _ERASED if item is ERASED else item
        for name in field_names(value.__class__)
        if (item := getattr(value, name)) is not None
    }


def event(envelope: Envelope, recorded: StoredEvent) -> dict[str, Any]:
    """An event as it reads everywhere."""
    by = envelope.provenance
    recorded_at = instant_text(envelope.recorded_at)
    same = envelope.effective_at is envelope.recorded_at
    return {
        "shard": envelope.shard,
        "position": envelope.position,
        "application_id": envelope.application_id,
        "version": envelope.version,
        "event_type": envelope.event_type,
        "schema_version": envelope.schema_version,
        "data": _given(recorded),
        "actor": by.actor,
        "actor_kind": by.actor_kind,
        "agent_build": by.agent_build,
        "on_behalf_of": by.on_behalf_of,
        "authority": None if by.authority is None else orjson.Fragment(by.authority),
        "effective_at": recorded_at if same else instant_text(envelope.effective_at),
        "effective_on": envelope.effective_on,
        "recorded_at": recorded_at,
        "epoch": envelope.epoch,
        "command_id": by.command_id,
        "correlation_id": by.correlation_id,
        "causation_id": by.causation_id,
    }


def events(pairs: Iterable[tuple[Envelope | None, StoredEvent]]) -> list[dict[str, Any]]:
    """Events that are on record."""
    return [event(envelope, happened) for envelope, happened in pairs if envelope is not None]


def _rehearsed_events(answer: CommandAnswer, rehearsal: Rehearsal) -> list[dict[str, Any]]:
    """Events as they would be: without ids, positions and instants."""
    return [
        {
            **_REHEARSED,
            "event_type": happened.stored_as,
            "schema_version": happened.schema_version,
            "data": _given(happened),
            "effective_on": on,
        }
        for (_, happened), on in zip(answer.events, rehearsal.effective_on, strict=True)
    ]


def command_answer(answer: CommandAnswer, *, opened: bool, minimal: bool = False) -> bytes:
    """What became of a command that holds; `opened` says that it was an apply. A `minimal` answer
    says the outcome in a word instead of events, next steps and warnings.
    """
    application_id = answer.application_id
    position = None
    if application_id is not None and answer.position is not None:
        position = position_text(shard_of(application_id), answer.position)
    told: dict[str, Any] = {
        "application_id": application_id,
        "status": STORED if opened else answer.state.status,
        "version": answer.version,
        "position": position,
    }
    if minimal:
        return json_bytes({**told, "outcome": effect_of(answer)})
    told["events"] = events(answer.events)
    told["allowed_commands"] = allowed(answer)
    if opened:
        told["warnings"] = _warnings(answer)
    if answer.rehearsal is not None:
        told |= _rehearsed(answer, answer.rehearsal)
    return json_bytes(told)


def allowed(answer: CommandAnswer) -> orjson.Fragment:
    """The commands that hold after an answer."""
    rehearsal = answer.rehearsal
    about = answer.application_id if rehearsal is None else rehearsal.application_id
    return next_steps(answer.allowed_commands, about)


def _warnings(answer: CommandAnswer) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    if answer.others:
        others = [
            {"application_id": one.application_id, "status": one.status} for one in answer.others
        ]
        detail = "The applicant has other applications under way."
        found.append({"code": OTHER_OPEN_APPLICATIONS, "detail": detail, "applications": others})
    if named := personal_pseudonyms(answer.state):
        found.append(
            {
                "code": PERSONAL_PSEUDONYM,
                "detail": f"{', '.join(map(repr, named))}: looks like an e-mail address or a name."
                " Pseudonyms are on record in clear for ever and cannot be erased: use ones that say"
                " nothing of the person.",
                "applications": [],
            }
        )
    return found


def personal_pseudonyms(state: Application) -> list[str]:
    """The pseudonyms of who applies that look like an e-mail address or have spaces, as names do."""
    return sorted(one for one in state.borrowers if "@" in one or any(map(str.isspace, one)))


def _rehearsed(answer: CommandAnswer, rehearsal: Rehearsal) -> dict[str, Any]:
    """The application as it would be, and what would be different."""
    about, after = rehearsal.application_id, members(answer.state)
    return {
        "events": _rehearsed_events(answer, rehearsal),
        "application": {
            "application_id": about,
            "version": answer.version,
            "position": None,
            "recorded_at": None,
            **after,
            "allowed_commands": allowed(answer),
        },
        "differences": differing_members(members(rehearsal.before), after),
    }


def application(
    application_id: UUID, aggregate: Aggregate, names: Sequence[str] | None
) -> dict[str, Any]:
    """An application at a version; `names` are the commands that hold now, None for the past."""
    steps = {} if names is None else {"allowed_commands": next_steps(names, application_id)}
    return {
        "application_id": application_id,
        "version": aggregate.version,
        "position": position_text(shard_of(application_id), aggregate.position),
        "recorded_at": aggregate.recorded_at,
        **members(aggregate.state),
        **steps,
    }


def _loan(loan: Loan, currency: str) -> dict[str, Any]:
    """Where a loan stands, as its last transaction left it."""
    return {
        "status": loan.status,
        "balance": loan.balance,
        "credit": in_currency(loan.credit, currency),
        "advanced": loan.advanced,
        "computed_through": loan.through,
        "charged_off": loan.charge_off is not None,
        "closed": loan.closed,
        "terms": None if loan.terms is None else plain(loan.terms),
    }


def members(state: Application) -> dict[str, Any]:
    """What is true of the application; every member is always there. Nothing is true of one that
    nobody has applied for yet.
    """
    if state is INITIAL:
        return {}
    return {
        "status": state.status,
        "stage": state.stage,
        "applicant_id": state.applicant_id,
        "amount": state.amount,
        "currency": state.currency,
        "term_months": state.term_months,
        "income": plain(state.income),
        "purpose": plain(state.purpose),
        "credit_kind": state.credit_kind,
        "co_applicants": plain(state.co_applicants),
        "reference": state.reference,
        "applied_at": state.applied_at,
        "score": plain(state.score),
        "context_kinds": plain(state.context_kinds),
        "verification_stage": state.verification_stage,
        "outstanding": sorted(state.outstanding),
        "decision": plain(state.decision),
        "offers": [plain(offer) for offer in state.offers.values()],
        "accepted_offer_id": state.accepted_offer_id,
        "holds": plain(state.holds),
        "disbursement": plain(state.disbursement),
        "loan": None if state.loan is None else _loan(state.loan, state.currency),
        "ended_at": None if state.ending is None else state.ending.ended_at,
    }
