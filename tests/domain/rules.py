"""The rules without an order: for a command, a state and the circumstances, which of them say no.

Written apart from `decide`, so that the tests can ask whether it gives the first of them.
"""

from collections.abc import Callable, Mapping
from dataclasses import fields
from decimal import Decimal
from typing import Any, Final

from lending.domain import money
from lending.domain.application import commands as c
from lending.domain.application.circumstances import Circumstances, FactsMissing
from lending.domain.application.commands import Outcome
from lending.domain.application.reasons import Reason
from lending.domain.application.refusals import (
    FORBIDDEN_BY,
    STATE_CHECKS,
    Refusal,
    notice_founded,
)
from lending.domain.application.state import Application, OfferStatus

R = Refusal

Rule = Callable[[Any, Application, Circumstances], bool]


def not_positive(command: Any, _state: Application, _given: Circumstances) -> bool:
    return command.amount is not None and command.amount <= 0


def too_fine(command: Any, state: Application, _given: Circumstances) -> bool:
    currency = getattr(command, "currency", state.currency)
    known = money.is_currency(currency) and command.amount is not None
    return known and not money.is_exact(command.amount, currency)


def repeated_person(command: Any, state: Application, _given: Circumstances) -> bool:
    applicant = getattr(command, "applicant_id", state.applicant_id)
    return applicant in [person.applicant_id for person in command.co_applicants or ()]


def says_nothing(command: Any) -> bool:
    return all(getattr(command, field.name) in (None, ()) for field in fields(command))


def by_policy(command: Any) -> bool:
    return command.outcome is None and says_nothing(command)


def has_terms(command: Any) -> bool:
    return command.amount is not None or command.term_months is not None


def other_terms(command: Any, state: Application) -> bool:
    return command.amount not in (None, state.amount) or command.term_months not in (
        None,
        state.term_months,
    )


def adverse(command: Any) -> bool:
    return command.outcome in (Outcome.REJECTED, Outcome.COUNTER_OFFERED)


def uncovered(amount: Decimal, term_months: int | None, state: Application) -> bool:
    return not state.admits(amount, term_months)


def of_offer(holds: Callable[[Any, Application], bool]) -> Rule:
    """A rule about the offer that a command names, where there is one."""
    return lambda command, state, _given: (
        command.offer_id in state.offers and holds(state.offers[command.offer_id], state)
    )


AMOUNT_RULES: Final[Mapping[Refusal, Rule]] = {
    R.AMOUNT_NOT_POSITIVE: not_positive,
    R.AMOUNT_TOO_FINE: too_fine,
}
DECISION_RULES: Final[Mapping[Refusal, Rule]] = {
    **AMOUNT_RULES,
    R.TERMS_NOT_ALLOWED: lambda x, *_: (
        x.outcome in (Outcome.REJECTED, Outcome.REFERRED) and has_terms(x)
    ),
    R.COUNTER_OFFER_REQUIRED: lambda x, s, _: x.outcome is Outcome.APPROVED and other_terms(x, s),
    R.COUNTER_TERMS_SAME: lambda x, s, _: (
        x.outcome is Outcome.COUNTER_OFFERED and not other_terms(x, s)
    ),
    R.REASONS_REQUIRED: lambda x, *_: adverse(x) and not x.reasons,
    R.REASONS_NOT_ALLOWED: lambda x, *_: (
        x.outcome in (Outcome.APPROVED, Outcome.REFERRED)
        and bool(x.reasons or x.other_reason is not None)
    ),
    R.TOO_MANY_REASONS: lambda x, *_: adverse(x) and len(x.reasons) > 4,
    R.REASON_REPEATED: lambda x, *_: adverse(x) and len(set(x.reasons)) < len(x.reasons),
    R.REASON_UNSPECIFIED: lambda x, *_: (
        adverse(x) and (Reason.OTHER in x.reasons) != (x.other_reason is not None)
    ),
    R.REASON_FOR_IMPORT_ONLY: lambda x, _, g: (
        adverse(x) and Reason.NOT_RECORDED in x.reasons and not g.backdated
    ),
}
ANSWER_RULES: Final[Mapping[Refusal, Rule]] = {
    R.OFFER_UNKNOWN: lambda x, s, _: x.offer_id not in s.offers,
    R.OFFER_NOT_OPEN: of_offer(lambda offer, _: offer.status is not OfferStatus.OPEN),
}
RULES: Final[Mapping[type[c.Command], Mapping[Refusal, Rule]]] = {
    c.Apply: {
        R.CONTINUED_UNKNOWN: lambda x, _, g: x.continues is not None and g.continued is None,
        R.CONTINUED_NOT_ENDED: lambda x, _, g: (
            x.continues is not None and g.continued is not None and g.continued.ending is None
        ),
        R.CURRENCY_UNKNOWN: lambda x, *_: x.currency == "XXX",
        **AMOUNT_RULES,
        R.CO_APPLICANT_REPEATED: repeated_person,
    },
    c.Amend: {
        R.NOTHING_GIVEN: lambda x, *_: says_nothing(x),
        **AMOUNT_RULES,
        R.CO_APPLICANT_REPEATED: repeated_person,
    },
    c.AttachContext: {R.NOTHING_GIVEN: lambda x, *_: x.stage is None},
    c.RequestInformation: {},
    c.SupplyInformation: {
        R.INFORMATION_NOT_OUTSTANDING: lambda x, s, _: x.items[0] not in s.outstanding
    },
    c.Score: {R.SCORE_OUT_OF_RANGE: lambda x, *_: x.score_low is not None},
    c.Decide: {
        R.OUTCOME_REQUIRED: lambda x, *_: x.outcome is None and not says_nothing(x),
        R.NO_ACTIVE_POLICY: lambda x, _, g: by_policy(x) and g.verdict is None,
        R.FACTS_MISSING: lambda x, _, g: by_policy(x) and isinstance(g.verdict, FactsMissing),
        R.POLICY_INCOMPLETE: lambda x, *_: x.policy is not None,
        **DECISION_RULES,
    },
    c.Override: DECISION_RULES,
    c.RecordNotice: {R.NOTICE_UNFOUNDED: lambda x, s, _: not notice_founded(x.kind, s)},
    c.AddNote: {},
    c.Hold: {},
    c.Release: {R.NOT_HELD: lambda x, s, _: x.kind not in s.holds},
    c.Withdraw: {},
    c.CloseUnfunded: {},
    c.MakeOffer: {
        **AMOUNT_RULES,
        R.OFFER_ID_TAKEN: lambda x, s, _: x.offer_id in s.offers,
        R.OFFER_NOT_COVERED: lambda x, s, _: uncovered(x.amount, x.term_months, s),
        R.OFFER_LAPSED: lambda x, _, g: (
            x.valid_until is not None and x.valid_until < g.effective_on
        ),
    },
    c.ReturnOffer: ANSWER_RULES,
    c.AcceptOffer: {
        **ANSWER_RULES,
        R.OFFER_NOT_COVERED: of_offer(lambda offer, s: uncovered(offer.amount, None, s)),
        R.OFFER_LAPSED: of_offer(lambda offer, _: offer.valid_until is not None),
    },
    c.RefuseOffer: ANSWER_RULES,
    c.WithdrawOffer: ANSWER_RULES,
    c.ExpireOffer: {
        **ANSWER_RULES,
        R.OFFER_NOT_LAPSED: of_offer(lambda offer, _: offer.valid_until is None),
    },
    c.Disburse: {
        R.NOT_THE_OFFERED_AMOUNT: lambda x, s, _: (
            x.amount is not None and s.accepted_offer is not None
        )
    },
}


def broken(command: c.Command, state: Application, given: Circumstances) -> set[Refusal]:
    """Every rule that says no."""
    kind = type(command)
    rules = {refusal for refusal in FORBIDDEN_BY[kind] if STATE_CHECKS[refusal](state)}
    if state.exists or kind is c.Apply:
        rules |= {refusal for refusal, no in RULES[kind].items() if no(command, state, given)}
    if state.applied_at is not None and given.effective_at < state.applied_at:
        rules.add(R.EFFECTIVE_BEFORE_APPLICATION)
    return rules


def all_rules(kind: type[c.Command]) -> set[Refusal]:
    """Every rule that can say no to commands of this kind."""
    return {R.EFFECTIVE_BEFORE_APPLICATION, *FORBIDDEN_BY[kind], *RULES[kind]}


_BY_OUTCOME = {R.TERMS_NOT_ALLOWED, R.COUNTER_OFFER_REQUIRED, R.COUNTER_TERMS_SAME}
_REASON_GIVEN = {
    R.TOO_MANY_REASONS,
    R.REASON_REPEATED,
    R.REASON_FOR_IMPORT_ONLY,
}
_OF_ADVERSE = {*_REASON_GIVEN, R.REASON_UNSPECIFIED, R.REASONS_REQUIRED}
_OF_OUTCOME = {*_BY_OUTCOME, *_OF_ADVERSE, R.REASONS_NOT_ALLOWED}
_OF_AMOUNT = {R.AMOUNT_NOT_POSITIVE, R.AMOUNT_TOO_FINE}
_OVER = {R.APPLICATION_ENDED, R.APPLICATION_REJECTED, R.ALREADY_DISBURSED}
EXCLUSIVE: Final[tuple[tuple[set[Refusal], set[Refusal], str], ...]] = (
    ({R.APPLICATION_UNKNOWN}, set(Refusal), "nothing can be said of an application nobody made"),
    (_OVER, _OVER, "it is over in one way only"),
    (
        {R.APPLICATION_ENDED, R.APPLICATION_REJECTED},
        {R.OFFER_ALREADY_ACCEPTED, R.NOT_THE_OFFERED_AMOUNT},
        "an end voids the acceptance",
    ),
    ({R.APPLICATION_REJECTED, R.ALREADY_DISBURSED}, {R.NOT_DECIDED}, "a decision came before"),
    (
        {R.ALREADY_DISBURSED},
        {R.NO_ACCEPTED_OFFER, R.OFFER_NOT_COVERED},
        "a covered offer was paid out",
    ),
    ({R.NO_ACCEPTED_OFFER}, {R.NOT_THE_OFFERED_AMOUNT}, "there is no amount to differ from"),
    ({R.CONTINUED_UNKNOWN}, {R.CONTINUED_NOT_ENDED}, "what does not exist cannot be running"),
    ({R.CURRENCY_UNKNOWN}, {R.AMOUNT_TOO_FINE}, "an unknown currency has no digits"),
    ({R.NOTHING_GIVEN}, {*_OF_AMOUNT, R.CO_APPLICANT_REPEATED}, "nothing is not wrong"),
    (
        {R.OUTCOME_REQUIRED, R.NO_ACTIVE_POLICY, R.FACTS_MISSING},
        {R.OUTCOME_REQUIRED, R.NO_ACTIVE_POLICY, R.FACTS_MISSING, *_OF_OUTCOME},
        "without an outcome there is nothing to say of it",
    ),
    (
        {R.NO_ACTIVE_POLICY, R.FACTS_MISSING},
        {R.POLICY_INCOMPLETE, *_OF_AMOUNT},
        "the policy decides only where nothing else is said",
    ),
    (_BY_OUTCOME, _BY_OUTCOME, "a decision has one outcome"),
    ({R.COUNTER_TERMS_SAME}, _OF_AMOUNT, "the amount asked for is a right one"),
    ({R.COUNTER_OFFER_REQUIRED, R.REASONS_NOT_ALLOWED}, _OF_ADVERSE, "an approval is not adverse"),
    ({R.COUNTER_TERMS_SAME}, {R.REASONS_NOT_ALLOWED}, "a counter-offer is adverse"),
    ({R.REASONS_REQUIRED}, _REASON_GIVEN, "there is none"),
    (
        {R.OFFER_UNKNOWN},
        {R.OFFER_NOT_OPEN, R.OFFER_NOT_COVERED, R.OFFER_LAPSED, R.OFFER_NOT_LAPSED},
        "nothing can be said of an unknown offer",
    ),
)
"""Rules that can never say no at once, and why."""


def exclusive(one: Refusal, other: Refusal) -> bool:
    """Whether the two can never say no at once."""
    return any(
        (one in left and other in right) or (other in left and one in right)
        for left, right, _ in EXCLUSIVE
    )
