"""Intake: applying, amending, attaching context, asking for information, scoring."""

from collections.abc import Iterable
from dataclasses import fields
from decimal import Decimal
from typing import assert_never

from lending.domain import money
from lending.domain.application import commands as c
from lending.domain.application import events as e
from lending.domain.application.amounts import in_currency, too_fine, wrong_amount
from lending.domain.application.circumstances import Answer, Circumstances
from lending.domain.application.refusals import Refusal, Refused
from lending.domain.application.state import Application

IntakeCommand = (
    c.Apply | c.Amend | c.AttachContext | c.RequestInformation | c.SupplyInformation | c.Score
)


def answer(command: IntakeCommand, state: Application, given: Circumstances) -> Answer:
    """What an intake command causes where the state does not forbid its kind."""
    match command:
        case c.Apply():
            return _apply(command, given)
        case c.Amend():
            return _amend(command, state)
        case c.AttachContext():
            return _attach_context(command)
        case c.RequestInformation():
            return _request_information(command, state)
        case c.SupplyInformation():
            return _supply_information(command, state)
        case c.Score():
            return _score(command, given)
        case _:
            assert_never(command)


def _apply(command: c.Apply, given: Circumstances) -> Answer:
    wrong = (
        _wrong_continuation(command, given)
        or _wrong_currency(command.currency)
        or wrong_amount(command.amount, "amount", command.currency)
        or _wrong_people(
            command.applicant_id, command.income, command.co_applicants, command.currency
        )
    )
    if wrong is not None:
        return wrong
    applied = e.Applied(
        applicant_id=command.applicant_id,
        amount=money.in_currency(command.amount, command.currency),
        currency=command.currency,
        credit_kind=command.credit_kind,
        term_months=command.term_months,
        income=in_currency(command.income, command.currency),
        purpose=command.purpose,
        co_applicants=_joint(command.co_applicants, command.currency),
        reference=command.reference,
        continues=command.continues,
    )
    return [applied]


def _wrong_continuation(command: c.Apply, given: Circumstances) -> Refused | None:
    if command.continues is None:
        return None
    if given.named is None or not given.named.exists:
        return Refused(Refusal.CONTINUED_UNKNOWN)
    return Refused(Refusal.CONTINUED_NOT_ENDED) if given.named.ending is None else None


def _wrong_currency(currency: str) -> Refused | None:
    return None if money.is_currency(currency) else Refused(Refusal.CURRENCY_UNKNOWN, currency)


def _amend(command: c.Amend, state: Application) -> Answer:
    if command == c.Amend():
        return Refused(Refusal.NOTHING_GIVEN)
    wrong = None
    if command.amount is not None:
        wrong = wrong_amount(command.amount, "amount", state.currency)
    wrong = wrong or _wrong_people(
        state.applicant_id, command.income, command.co_applicants or (), state.currency
    )
    if wrong is not None:
        return wrong
    amended = e.Amended(
        amount=in_currency(command.amount, state.currency),
        term_months=command.term_months,
        income=in_currency(command.income, state.currency),
        purpose=command.purpose,
        co_applicants=None
        if command.co_applicants is None
        else _joint(command.co_applicants, state.currency),
        reference=command.reference,
    )
    return [amended] if _changes(amended, state) else []


def _changes(amended: e.Amended, state: Application) -> bool:
    given = ((field.name, getattr(amended, field.name)) for field in fields(amended))
    return any(value is not None and value != getattr(state, name) for name, value in given)


def _wrong_people(
    applicant_id: str,
    income: Decimal | None,
    co_applicants: tuple[c.CoApplicant, ...],
    currency: str,
) -> Refused | None:
    wrong = too_fine(income, "income", currency)
    for index, person in enumerate(co_applicants):
        wrong = wrong or too_fine(person.income, f"co_applicants[{index}].income", currency)
    people = [applicant_id, *(person.applicant_id for person in co_applicants)]
    if wrong is None and len(set(people)) < len(people):
        return Refused(Refusal.CO_APPLICANT_REPEATED)
    return wrong


def _joint(people: Iterable[c.CoApplicant], currency: str) -> tuple[e.JointApplicant, ...]:
    return tuple(
        e.JointApplicant(applicant_id=p.applicant_id, income=in_currency(p.income, currency))
        for p in people
    )


def _attach_context(command: c.AttachContext) -> Answer:
    if command.stage is None and command.digest is None and not command.facts:
        return Refused(Refusal.NOTHING_GIVEN, "stage, digest or facts")
    attached = e.ContextAttached(
        kind=command.kind,
        stage=command.stage,
        source=command.source,
        digest=command.digest,
        facts=command.facts or None,
    )
    return [attached]


def _request_information(command: c.RequestInformation, state: Application) -> Answer:
    """Items asked for already are not asked for again, unless by another day."""
    asked = state.outstanding
    items = tuple(
        item
        for item in dict.fromkeys(command.items)
        if item not in asked or command.due_on not in (None, asked[item])
    )
    if not items:
        return []
    return [e.InformationRequested(items=items, due_on=command.due_on, text=command.text)]


def _supply_information(command: c.SupplyInformation, state: Application) -> Answer:
    unknown = [item for item in command.items if item not in state.outstanding]
    if unknown:
        return Refused(Refusal.INFORMATION_NOT_OUTSTANDING, ", ".join(unknown))
    return [e.InformationSupplied(items=tuple(dict.fromkeys(command.items)), text=command.text)]


def _score(command: c.Score, given: Circumstances) -> Answer:
    low = command.score if command.score_low is None else command.score_low
    high = command.score if command.score_high is None else command.score_high
    if not low <= command.score <= high:
        return Refused(Refusal.SCORE_OUT_OF_RANGE)
    if (wrong := _wrong_model(command, given)) is not None:
        return wrong
    if command.scored_on is not None and given.ahead(command.scored_on):
        return Refused(Refusal.DATED_AHEAD)
    scored = e.Scored(
        model=command.model,
        model_version=command.model_version,
        score=command.score,
        score_low=command.score_low,
        score_high=command.score_high,
        scored_on=command.scored_on,
        provider=command.provider,
        artifact_digest=command.artifact_digest,
        input_digest=command.input_digest,
        factors=command.factors,
    )
    return [scored]


def _wrong_model(command: c.Score, given: Circumstances) -> Refused | None:
    """Why a score of this model does not count where models must be registered; history that is
    brought in was scored elsewhere.
    """
    if given.models is None or given.recording:
        return None
    known = given.models.version(command.model, command.model_version)
    named = f"{command.model} {command.model_version}"
    if known is None:
        return Refused(Refusal.MODEL_NOT_REGISTERED, named)
    if command.artifact_digest not in (None, known.registered.artifact_digest):
        return Refused(Refusal.MODEL_NOT_REGISTERED, f"{named} is registered with another artifact")
    day = command.scored_on or given.effective_on
    return None if known.counts_on(day) else Refused(Refusal.MODEL_NOT_VALID, named)
