"""The rules without an order: for a command, a state and the circumstances, which of them say no.

Written apart from `decide`, so that the tests can ask whether it gives the first of them.
"""

from collections.abc import Callable, Mapping
from dataclasses import fields
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Final

from lending.domain import money
from lending.domain.application import commands as c
from lending.domain.application.adverse_action import founded_on
from lending.domain.application.circumstances import Circumstances, FactsMissing, PolicyFaulty
from lending.domain.application.commands import Outcome
from lending.domain.application.reasons import Reason
from lending.domain.application.refusals import (
    FORBIDDEN_BY,
    OF_AUTHORITY,
    STATE_CHECKS,
    Refusal,
)
from lending.domain.application.state import Application, OfferStatus
from lending.domain.authority import PrincipalKind, Role
from lending.domain.suspensions import Subject

R = Refusal
BARRING: Final = OF_AUTHORITY - {R.ABOVE_AUTHORITY}
"""The refusals that are checked before anything else."""

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


def model_not_registered(command: Any, _state: Application, given: Circumstances) -> bool:
    if given.models is None:
        return False
    known = given.models.version(command.model, command.model_version)
    digest = command.artifact_digest
    return known is None or (digest is not None and digest != known.registered.artifact_digest)


def model_not_valid(command: Any, _state: Application, given: Circumstances) -> bool:
    if given.models is None:
        return False
    known = given.models.version(command.model, command.model_version)
    day = command.scored_on or given.effective_on
    return known is not None and not known.counts_on(day)


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


def ahead(day: date, given: Circumstances) -> bool:
    return day > given.effective_on + timedelta(days=1)


def unfounded(notice: c.RecordNotice, state: Application) -> bool:
    founded = founded_on(notice.kind, state)
    return founded is None or notice.sent_on < founded


def of_offer(holds: Callable[[Any, Application], bool]) -> Rule:
    """A rule about the offer that a command names, where there is one."""
    return lambda command, state, _given: (
        command.offer_id in state.offers and holds(state.offers[command.offer_id], state)
    )


def restricted(given: Circumstances) -> bool:
    return not given.asking.principal.unrestricted


def imported(given: Circumstances) -> bool:
    may = not restricted(given) or Role.IMPORTER in given.asking.principal.roles
    return may and given.backdated


def is_suspended(given: Circumstances, subject: Subject, name: str | None) -> bool:
    return (subject, name) in given.asking.suspended.standing


def principal_suspended(_command: Any, _state: Application, given: Circumstances) -> bool:
    parties = {given.asking.principal.name, given.asking.on_behalf_of}
    return restricted(given) and any(
        is_suspended(given, Subject.PRINCIPAL, name) for name in parties if name is not None
    )


def automation_suspended(command: Any, _state: Application, given: Circumstances) -> bool:
    machine = restricted(given) and given.asking.principal.kind is not PrincipalKind.HUMAN
    automated = command.outcome is None or (machine and not imported(given))
    return automated and is_suspended(given, Subject.AUTOMATION, None)


def policy_suspended(command: Any, _state: Application, given: Circumstances) -> bool:
    if command.outcome is None and given.policy is not None:
        return is_suspended(given, Subject.POLICY, given.policy.name)
    return not imported(given) and is_suspended(given, Subject.POLICY, command.policy)


def own_score(command: Any, state: Application, given: Circumstances) -> bool:
    parties = {given.asking.principal.name, given.asking.on_behalf_of}
    decides = command.outcome is not None and restricted(given) and not imported(given)
    return decides and bool(parties & state.scorers)


def impersonal(_command: Any, _state: Application, given: Circumstances) -> bool:
    return restricted(given) and given.asking.principal.kind is not PrincipalKind.HUMAN


def above_authority(command: Any, state: Application, given: Circumstances) -> bool:
    approves = command.outcome in (Outcome.APPROVED, Outcome.COUNTER_OFFERED)
    if not approves or not restricted(given) or imported(given):
        return False
    amount = state.amount if command.amount is None else command.amount
    limit = given.asking.principal.limits.get(state.currency)
    return limit is None or bool(amount > limit)


def scored_only(command: Any) -> bool:
    return getattr(command, "failed_on", None) is c.FailedOn.SCORE


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
        and bool(x.reasons or x.other_reason is not None or scored_only(x))
    ),
    R.TOO_MANY_REASONS: lambda x, *_: adverse(x) and len(x.reasons) > 4,
    R.REASON_REPEATED: lambda x, *_: adverse(x) and len(set(x.reasons)) < len(x.reasons),
    R.REASON_UNSPECIFIED: lambda x, *_: (
        adverse(x) and (Reason.OTHER in x.reasons) != (x.other_reason is not None)
    ),
    R.REASON_INSUFFICIENT: lambda x, _, g: (
        adverse(x) and x.other_reason == "Company policy." and not imported(g)
    ),
    R.REASON_FOR_IMPORT_ONLY: lambda x, _, g: (
        adverse(x) and Reason.NOT_RECORDED in x.reasons and not imported(g)
    ),
    R.OWN_SCORE: own_score,
    R.ABOVE_AUTHORITY: above_authority,
}
ANSWER_RULES: Final[Mapping[Refusal, Rule]] = {
    R.OFFER_UNKNOWN: lambda x, s, _: x.offer_id not in s.offers,
    R.OFFER_NOT_OPEN: of_offer(lambda offer, _: offer.status is not OfferStatus.OPEN),
}
RULES: Final[Mapping[type[c.Command], Mapping[Refusal, Rule]]] = {
    c.Apply: {
        R.CONTINUED_UNKNOWN: lambda x, _, g: x.continues is not None and g.named is None,
        R.CONTINUED_NOT_ENDED: lambda x, _, g: (
            x.continues is not None and g.named is not None and g.named.ending is None
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
    c.Score: {
        R.SCORE_OUT_OF_RANGE: lambda x, *_: x.score_low is not None,
        R.MODEL_NOT_REGISTERED: model_not_registered,
        R.MODEL_NOT_VALID: model_not_valid,
        R.DATED_AHEAD: lambda x, _, g: x.scored_on is not None and ahead(x.scored_on, g),
    },
    c.Decide: {
        R.OUTCOME_REQUIRED: lambda x, *_: x.outcome is None and not says_nothing(x),
        R.NO_ACTIVE_POLICY: lambda x, _, g: by_policy(x) and g.verdict is None,
        R.FACTS_MISSING: lambda x, _, g: by_policy(x) and isinstance(g.verdict, FactsMissing),
        R.POLICY_FAULTY: lambda x, _, g: by_policy(x) and isinstance(g.verdict, PolicyFaulty),
        R.POLICY_INCOMPLETE: lambda x, *_: x.policy is not None,
        R.AUTOMATION_SUSPENDED: automation_suspended,
        R.POLICY_SUSPENDED: policy_suspended,
        **DECISION_RULES,
        R.REASON_NOT_SCORED: lambda x, _, g: (
            adverse(x)
            and scored_only(x)
            and not imported(g)
            and any(reason is not Reason.BANKRUPTCY for reason in x.reasons)
        ),
    },
    c.Override: {R.HUMAN_REQUIRED: impersonal, **DECISION_RULES},
    c.RecordNotice: {
        R.DATED_AHEAD: lambda x, _, g: ahead(x.sent_on, g),
        R.DATED_BEFORE_APPLICATION: lambda x, s, _: s.exists and x.sent_on < s.days.applied_on,
        R.NOTICE_UNFOUNDED: lambda x, s, _: unfounded(x, s),
    },
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
    if principal_suspended(command, state, given):
        rules.add(R.PRINCIPAL_SUSPENDED)
    speaking = state.exists or kind is c.Apply
    rules |= {
        refusal
        for refusal, no in RULES[kind].items()
        if (speaking or refusal in BARRING) and no(command, state, given)
    }
    if state.applied_at is not None and given.effective_at < state.applied_at:
        rules.add(R.EFFECTIVE_BEFORE_APPLICATION)
    return rules


def all_rules(kind: type[c.Command]) -> set[Refusal]:
    """Every rule that can say no to commands of this kind."""
    return {
        R.PRINCIPAL_SUSPENDED,
        R.EFFECTIVE_BEFORE_APPLICATION,
        *FORBIDDEN_BY[kind],
        *RULES[kind],
    }


_BY_OUTCOME = {R.TERMS_NOT_ALLOWED, R.COUNTER_OFFER_REQUIRED, R.COUNTER_TERMS_SAME}
_REASON_GIVEN = {
    R.TOO_MANY_REASONS,
    R.REASON_REPEATED,
    R.REASON_FOR_IMPORT_ONLY,
    R.REASON_NOT_SCORED,
}
_OF_ADVERSE = {
    *_REASON_GIVEN,
    R.REASON_UNSPECIFIED,
    R.REASON_INSUFFICIENT,
    R.REASONS_REQUIRED,
}
_OF_OUTCOME = {*_BY_OUTCOME, *_OF_ADVERSE, R.REASONS_NOT_ALLOWED}
_OF_AMOUNT = {R.AMOUNT_NOT_POSITIVE, R.AMOUNT_TOO_FINE}
_OF_POLICY = {R.NO_ACTIVE_POLICY, R.FACTS_MISSING, R.POLICY_FAULTY}
_PAID_OUT = {R.ALREADY_DISBURSED, R.FULLY_DISBURSED}
_OVER = {R.APPLICATION_ENDED, R.APPLICATION_REJECTED, *_PAID_OUT}
EXCLUSIVE: Final[tuple[tuple[set[Refusal], set[Refusal], str], ...]] = (
    (
        {R.APPLICATION_UNKNOWN},
        set(Refusal) - BARRING | {R.OWN_SCORE},
        "nothing can be said of an application nobody made",
    ),
    (_OVER, _OVER, "it is over in one way only"),
    (
        {R.APPLICATION_ENDED, R.APPLICATION_REJECTED},
        {R.OFFER_ALREADY_ACCEPTED, R.NOT_THE_OFFERED_AMOUNT},
        "an end voids the acceptance",
    ),
    ({R.APPLICATION_REJECTED, *_PAID_OUT}, {R.NOT_DECIDED}, "a decision came before"),
    (
        _PAID_OUT,
        {R.NO_ACCEPTED_OFFER, R.OFFER_NOT_COVERED},
        "a covered offer was paid out",
    ),
    ({R.NO_ACCEPTED_OFFER}, {R.NOT_THE_OFFERED_AMOUNT}, "there is no amount to differ from"),
    ({R.CONTINUED_UNKNOWN}, {R.CONTINUED_NOT_ENDED}, "what does not exist cannot be running"),
    ({R.CURRENCY_UNKNOWN}, {R.AMOUNT_TOO_FINE}, "an unknown currency has no digits"),
    ({R.NOTHING_GIVEN}, {*_OF_AMOUNT, R.CO_APPLICANT_REPEATED}, "nothing is not wrong"),
    (
        {R.OUTCOME_REQUIRED, *_OF_POLICY},
        {R.OUTCOME_REQUIRED, *_OF_POLICY, *_OF_OUTCOME},
        "without an outcome there is nothing to say of it",
    ),
    (
        _OF_POLICY,
        {R.POLICY_INCOMPLETE, *_OF_AMOUNT},
        "the policy decides only where nothing else is said",
    ),
    (
        {R.OUTCOME_REQUIRED, *_OF_POLICY},
        {R.OWN_SCORE, R.ABOVE_AUTHORITY},
        "without an outcome it is nobody's own decision",
    ),
    ({R.NO_ACTIVE_POLICY}, {R.POLICY_SUSPENDED}, "there is no policy that could be suspended"),
    ({R.TERMS_NOT_ALLOWED}, {R.ABOVE_AUTHORITY}, "nothing is approved"),
    (_BY_OUTCOME, _BY_OUTCOME, "a decision has one outcome"),
    ({R.COUNTER_TERMS_SAME}, _OF_AMOUNT, "the amount asked for is a right one"),
    ({R.COUNTER_OFFER_REQUIRED, R.REASONS_NOT_ALLOWED}, _OF_ADVERSE, "an approval is not adverse"),
    ({R.COUNTER_TERMS_SAME}, {R.REASONS_NOT_ALLOWED}, "a counter-offer is adverse"),
    ({R.REASONS_REQUIRED}, _REASON_GIVEN, "there is none"),
    ({R.DATED_AHEAD}, {R.DATED_BEFORE_APPLICATION}, "an application was made by now"),
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
