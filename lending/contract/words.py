"""Events in words: what happened, one sentence each, for people and for models.

What belongs here: the sentences. Who did it and when is the envelope's. What a person wrote stands in
quotation marks, so that a reader, a model above all, takes it for what was said and for nothing else.
"""

import json
from collections.abc import Callable, Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final

from lending.domain.application import events as e
from lending.domain.application.reasons import REASON_TEXTS, Reason
from lending.domain.fields import Erased, FactValue
from lending.domain.servicing import events as s
from lending.domain.subjects import SubjectErased
from lending.ledger.codec import StoredEvent
from lending.ledger.leaf import Envelope
from lending.ledger.plain import decimal_text, plain

_GONE: Final = "(erased)"
_Tell = Callable[[Any, str], str]


def sentence(event: StoredEvent, currency: str) -> str:
    """What an event says happened; amounts are in `currency`."""
    tell = SENTENCES.get(type(event))
    return tell(event, currency) if tell else event.stored_as.replace("_", " ")


def by_whom(envelope: Envelope) -> str:
    """Who did it: principal, kind, on whose behalf, by which software."""
    by = envelope.provenance
    behalf = f" for {by.on_behalf_of}" if by.on_behalf_of else ""
    build = f", {by.agent_build}" if by.agent_build else ""
    return f"{by.actor}{behalf} ({by.actor_kind}{build})"


def quoted(text: str | Erased | None) -> str:
    """What somebody wrote, on one line, in quotation marks."""
    return _GONE if isinstance(text, Erased) else json.dumps(text, ensure_ascii=False)


def terms(
    amount: Decimal | None,
    currency: str,
    term_months: int | None = None,
    rate_percent: Decimal | None = None,
) -> str:
    """An amount with its term and rate, as far as they are given."""
    parts = [
        f"{currency} {decimal_text(amount)}" if amount is not None else "",
        f"over {term_months} months" if term_months else "",
        f"at {decimal_text(rate_percent)} % a year" if rate_percent is not None else "",
    ]
    return " ".join(part for part in parts if part)


def because(reasons: tuple[Reason, ...], other: str | Erased | None = None) -> str:
    """The reasons in the wording that the applicant reads."""
    texts = [REASON_TEXTS[reason] for reason in reasons]
    if other is not None:
        texts.append(quoted(other))
    return f", because: {'; '.join(texts)}" if texts else ""


def facts(given: Mapping[str, FactValue] | Erased | None) -> str:
    """Named values, in the order of their names."""
    if given is None:
        return ""
    if isinstance(given, Erased):
        return _GONE
    return ", ".join(f"{name}={_fact(value)}" for name, value in sorted(given.items()))


def _fact(value: FactValue) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return quoted(value) if isinstance(value, str) else str(value)


def policy(cited: e.PolicyCited) -> str:
    """A policy's name, version and digest, and where in the log it was published."""
    digest = f", sha256 {cited.digest}" if cited.digest else ""
    where = f", published at position {cited.registry_position}" if cited.registry_position else ""
    return f"policy {cited.name} version {cited.version}{digest}{where}"


def _said(text: str | Erased | None) -> str:
    return f", saying {quoted(text)}" if text is not None else ""


def _money(amount: Decimal | Erased | None, currency: str) -> str:
    return _GONE if isinstance(amount, Erased) else terms(amount, currency)


def _applied(event: e.Applied, currency: str) -> str:
    income = event.income
    parts = [
        f"{event.applicant_id} applied for {terms(event.amount, currency, event.term_months)}",
        f"for {quoted(event.purpose)}" if event.purpose is not None else "",
        f"with a monthly income of {_money(income, currency)}" if income is not None else "",
        f"with {len(event.co_applicants)} co-applicant(s)" if event.co_applicants else "",
        f"under the reference {quoted(event.reference)}" if event.reference else "",
        f"continuing application {event.continues}" if event.continues else "",
    ]
    return " ".join(part for part in parts if part)


def _amended(event: e.Amended, currency: str) -> str:
    income = event.income
    parts = [
        terms(event.amount, currency, event.term_months),
        f"monthly income {_money(income, currency)}" if income is not None else "",
        f"purpose {quoted(event.purpose)}" if event.purpose is not None else "",
        f"reference {quoted(event.reference)}" if event.reference else "",
        f"{len(event.co_applicants)} co-applicant(s)" if event.co_applicants is not None else "",
    ]
    return "amended the application: " + ", ".join(part for part in parts if part)


def _context(event: e.ContextAttached, _: str) -> str:
    parts = [
        event.kind.value.replace("_", " "),
        f"stage {quoted(event.stage)}" if event.stage else "",
        f"from {quoted(event.source)}" if event.source else "",
        f"document sha256 {event.digest}" if event.digest else "",
        facts(event.facts),
    ]
    return "put on file: " + "; ".join(part for part in parts if part)


def _scored(event: e.Scored, _: str) -> str:
    low, high = event.score_low, event.score_high
    within = ""
    if low is not None or high is not None:
        within = f" in a range of {_end(low)} to {_end(high)}"
    factors = f", because of {', '.join(map(quoted, event.factors))}" if event.factors else ""
    of = f"{event.model} version {event.model_version}"
    return f"scored {decimal_text(event.score)}{within} by the model {of}{factors}"


def _end(bound: Decimal | None) -> str:
    return "?" if bound is None else decimal_text(bound)


def _decided(event: e.Decided, currency: str) -> str:
    given = terms(event.amount, currency, event.term_months)
    parts = [
        f"decided {event.outcome.value}",
        f": {given}" if given else "",
        f", by {policy(event.policy)}" if event.policy else "",
        because(event.reasons, event.other_reason),
        f", on the facts {facts(event.facts)}" if event.facts else "",
        f", and of the person {facts(event.personal_facts)}" if event.personal_facts else "",
        f", by the rules {', '.join(event.trace)}" if event.trace else "",
        _said(event.text),
    ]
    return "".join(parts)


def _overridden(event: e.Overridden, currency: str) -> str:
    given = terms(event.amount, currency, event.term_months)
    reasons = because(event.reasons, event.other_reason)
    return (
        f"overrode the decision: {event.outcome.value}{f' {given}' if given else ''}{reasons}"
        f", saying {quoted(event.justification)}"
    )


def _offered(event: e.Offered, currency: str) -> str:
    product = event.product
    under = f", under {product.name} version {product.version}" if product else ""
    apr = event.disclosed.apr_percent if event.disclosed else None
    rate = f", APR {decimal_text(apr)} %" if apr is not None else ""
    until = f", valid until {event.valid_until}" if event.valid_until else ""
    given = terms(event.amount, currency, event.term_months, event.rate_percent)
    return f"made offer {event.offer_id}: {given}{under}{rate}{until}"


def _disbursed(event: e.Disbursed, currency: str) -> str:
    reference = f", reference {quoted(event.reference)}" if event.reference else ""
    through = f" through {quoted(event.channel)}" if event.channel else ""
    paid = terms(event.amount, currency)
    return f"paid out {paid} on offer {event.offer_id}{through}{reference}"


def _booked(words: str) -> _Tell:
    """A sentence about a transaction, with what it came to."""

    def tell(event: Any, currency: str) -> str:
        booking = event.booking
        said = words.format(**{name: _plain(event, name, currency) for name in _FIELDS})
        return f"{said}{_came_to(booking, currency)}{_said(getattr(event, 'text', None))}"

    return tell


_FIELDS: Final = ("amount", "of", "to", "kind", "due_on", "price", "into")


def _plain(event: Any, name: str, currency: str) -> str:
    value = getattr(event, name, None)
    if isinstance(value, Decimal):
        return terms(value, currency)
    return quoted(value) if name == "to" else str(plain(value)).replace("_", " ")


def _came_to(booking: s.Booking | None, currency: str) -> str:
    """What a transaction came to, component by component, and what is owed afterwards."""
    if booking is None:
        return ""
    named = ("principal", "interest", "fees", "penalties", "credit", "recovered")
    parts = [
        f"{name} {decimal_text(amount)}" for name in named if (amount := getattr(booking, name))
    ]
    changed = len(booking.reallocated) + booking.left_out
    again = f"; {changed} earlier transaction(s) computed anew" if changed else ""
    split = f" ({', '.join(parts)})" if parts else ""
    return (
        f"{split}; principal owed {terms(booking.balance, currency)}, {booking.status.value}{again}"
    )


def _paid(event: s.Repaid | s.Recovered, currency: str) -> str:
    kind = event.kind.value.replace("_", " ") if isinstance(event, s.Repaid) else "recovery"
    through = f" through {quoted(event.channel)}" if event.channel else ""
    reference = f", reference {quoted(event.reference)}" if event.reference else ""
    adjusted = event.charge if isinstance(event, s.Repaid) else None
    of = f" of charge {adjusted}" if adjusted is not None else ""
    paid = f"recorded {terms(event.amount, currency)} as {kind}{of}{through}{reference}"
    return paid + _came_to(event.booking, currency)


def _boarded(event: s.Boarded, currency: str) -> str:
    of = f"{event.product.name} version {event.product.version}"
    taken = terms(event.principal, currency)
    return f"took over a running loan of {taken} under {of}, paid through {event.paid_through}"


def _terms_set(event: s.TermsSet, _: str) -> str:
    return f"gave the loan the terms of {event.product.name} version {event.product.version}"


def _changed(event: s.TermsChanged, currency: str) -> str:
    named = ("rate_percent", "due_on", "to", "instalments", "first_due_on", "amount", "until")
    parts = [
        f"{name.replace('_', ' ')} {plain(value)}"
        for name in named
        if (value := getattr(event, name)) is not None
    ]
    given = f": {', '.join(parts)}" if parts else ""
    what = event.change.value.replace("_", " ")
    return f"changed the terms, {what}{given}{_came_to(event.booking, currency)}"


def _assessed(event: s.ChargeAssessed, currency: str) -> str:
    name = f" for {quoted(event.name)}" if event.name else ""
    late = f", for the instalment due on {event.late_for}" if event.late_for else ""
    amount = terms(event.amount, currency)
    return f"charged a {event.kind.value} of {amount}{name}, due on {event.due_on}{late}"


def _items(verb: str) -> _Tell:
    def tell(event: e.InformationRequested | e.InformationSupplied, _: str) -> str:
        due = getattr(event, "due_on", None)
        by = f", due on {due}" if due else ""
        return f"{verb} {', '.join(event.items)}{by}{_said(event.text)}"

    return tell


def _offer(words: str) -> _Tell:
    return lambda event, _: words.format(event.offer_id) + _said(getattr(event, "text", None))


def _of(words: str, field: str) -> _Tell:
    """A sentence about one field, and what was said with it."""
    return lambda event, _: (
        words.format(str(plain(getattr(event, field))).replace("_", " ")) + _said(event.text)
    )


SENTENCES: Final[Mapping[type[Any], _Tell]] = MappingProxyType(
    {
        e.Applied: _applied,
        e.Amended: _amended,
        e.ContextAttached: _context,
        e.InformationRequested: _items("asked the applicant for"),
        e.InformationSupplied: _items("recorded that this came in:"),
        e.Scored: _scored,
        e.Decided: _decided,
        e.Overridden: _overridden,
        e.NoticeSent: lambda event, _: (
            f"sent the {event.kind.value.replace('_', ' ')} notice by {quoted(event.channel)} on"
            f" {event.sent_on}"
        ),
        e.Noted: lambda event, _: f"noted {quoted(event.text)}",
        e.Held: _of("held the application for {}", "kind"),
        e.Released: _of("released the hold for {}", "kind"),
        e.Withdrawn: _of("withdrew the application for the {}", "by"),
        e.ClosedUnfunded: _of("closed the application unfunded as {}", "closed_as"),
        e.Offered: _offered,
        e.OfferReturned: _offer("recorded that offer {} came back signed"),
        e.OfferAccepted: _offer("recorded that the applicant accepted offer {}"),
        e.OfferRefused: _offer("recorded that the applicant refused offer {}"),
        e.OfferWithdrawn: _offer("withdrew offer {}"),
        e.OfferExpired: _offer("recorded that offer {} expired"),
        e.Redisclosed: lambda event, _: (
            f"disclosed offer {event.offer_id} again, for a payout on {event.disburse_on}"
        ),
        e.Disbursed: _disbursed,
        SubjectErased: lambda event, _: (
            f"erased the personal data of {event.subject}, because {quoted(event.reason)}"
        ),
        s.Boarded: _boarded,
        s.TermsSet: _terms_set,
        s.DisbursementReversed: _booked("reversed the disbursement at version {of}"),
        s.Repaid: _paid,
        s.Recovered: _paid,
        s.RepaymentReversed: _booked("reversed the payment at version {of}"),
        s.EntryReversed: _booked("reversed the transaction at version {of}"),
        s.ChargedBack: _booked("charged back {amount} of the payment at version {of}"),
        s.CreditRefunded: _booked("paid back {amount} of the credit balance"),
        s.ChargeAssessed: _assessed,
        s.ChargeWaived: _booked("waived {amount} of the charge at version {of}"),
        s.InterestWaived: _booked("waived {amount} of interest"),
        s.TermsChanged: _changed,
        s.ChargedOff: _booked("took the loan to loss"),
        s.ChargeOffUndone: _booked("undid the charge-off at version {of}"),
        s.WrittenOff: _booked("wrote the loan off"),
        s.Settled: _booked("gave up the rest by settlement"),
        s.Refinanced: _booked("paid the loan off with {amount} out of application {into}"),
        s.Transferred: _booked("handed the loan over to {to} for {price}"),
        s.Closed: lambda *_: "closed the loan",
        s.InterestAccrued: _booked("put earned interest into the journal"),
    }
)
"""The sentence of each event of an application. Events of the registry are told by their name."""
