"""Explanations of decisions in words: a sentence for each thing there is to say."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from lending.contract.words import because, by_whom, policy, quoted, sentence, terms
from lending.domain.application.commands import Outcome
from lending.domain.application.events import Decided, Overridden
from lending.domain.fields import Erased
from lending.ledger.canonical import instant_text
from lending.policy.facts import SCHEMA, from_minor_units
from lending.service.explaining import Account, Made, MadeBy, Stands
from lending.service.explanations import Explanation
from lending.service.rerunning import Rerun, Verdict

_OUTCOMES: Final = {
    Outcome.APPROVED: "approved",
    Outcome.REJECTED: "rejected",
    Outcome.REFERRED: "referred to a person",
    Outcome.COUNTER_OFFERED: "answered with a counter-offer",
}


def sentences(found: Explanation, rules: Iterable[Mapping[str, Any]] = ()) -> list[str]:
    """The explanation, sentence by sentence; `rules` are those that fired, as data."""
    account = found.account
    said = [_standing(account)]
    if account.made is not None:
        said += _decided(found, account.made)
        said += (_saw(rule, account.state.currency) for rule in rules)
        said += _asked_again(found.rerun)
    return [one[:1].upper() + one[1:] + "." for one in said]


def _standing(account: Account) -> str:
    ended = account.ended
    if ended is not None and account.stands in (Stands.WITHDRAWN, Stands.CLOSED_UNFUNDED):
        envelope, event = ended
        told = sentence(event, account.state.currency)
        end = f"{by_whom(envelope)} {told} at {instant_text(envelope.effective_at)}"
        return end if account.made else f"the application was never decided: {end}"
    if account.stands is Stands.OPEN:
        return f"the application is open: it is {account.state.status.value}, not decided"
    if account.stands is Stands.TAKEN_OVER:
        return "the loan was taken over as it ran, without a decision here"
    return f"the application is decided, and stands {account.state.status.value}"


def _decided(found: Explanation, made: Made) -> Iterator[str]:
    account, event = found.account, made.event
    currency = account.state.currency
    at = instant_text(made.envelope.effective_at)
    given = terms(event.amount, currency, event.term_months)
    reasons = because(event.reasons, event.other_reason)
    outcome = f"it was {_OUTCOMES[event.outcome]}{f' ({given})' if given else ''} at {at}"
    recorded = f", recorded only at {instant_text(made.envelope.recorded_at)}"
    yield f"{outcome}{recorded if made.backdated else ''}{reasons}"
    yield f"that was decided {_maker(made)}"
    yield from _policy_then(found)
    if isinstance(event, Overridden):
        yield f"the justification reads {quoted(event.justification)}"
    elif isinstance(event.text, str | Erased):
        yield f"with it was said {quoted(event.text)}"
    if isinstance(event, Decided) and event.trace:
        yield f"the rules that fired: {', '.join(event.trace)}"
    if account.state.decision is not None and account.state.decision.stale:
        yield "the application was amended since, so the decision no longer answers it as it stands"


def _maker(made: Made) -> str:
    event, who = made.event, by_whom(made.envelope)
    cited = event.policy if isinstance(event, Decided) else None
    match made.by:
        case MadeBy.POLICY:
            return f"by {'a policy' if cited is None else policy(cited)}, asked by {who}"
        case MadeBy.OVERRIDE:
            return f"by {who}, who overrode what was decided before"
        case MadeBy.IMPORTED:
            when = instant_text(made.envelope.recorded_at)
            return (
                f"elsewhere{_citing(made)}: {who} brought it in as history at {when}, and no policy"
                " of this ledger was asked"
            )
        case MadeBy.PRINCIPAL:
            return f"by {who}, without a policy being asked{_citing(made)}"


def _saw(rule: Mapping[str, Any], currency: str) -> str:
    """What a rule saw, and what that is made of."""
    seen = []
    for one in rule["saw"]:
        parts = ", ".join(_valued(part, currency) for part in one["made_of"])
        seen.append(_valued(one, currency) + (f", made of {parts}" if parts else ""))
    told = "; ".join(seen) or "nothing: it takes what no rule before it took"
    return f"the rule {rule['rule']} saw {told}"


def _valued(one: Mapping[str, Any], currency: str) -> str:
    """A name with its value; a fact in minor units as an amount too."""
    name, value = one["name"], one["value"]
    if value == {"erased": True}:
        return f"{name} (erased)"
    if isinstance(value, bool):
        return f"{name} = {'true' if value else 'false'}"
    if isinstance(value, int) and name in SCHEMA and name.endswith("_minor"):
        return f"{name} = {value} ({terms(from_minor_units(value, currency), currency)})"
    if value is None:
        return f"{name}, of which the value is not known now"
    return f"{name} = {quoted(value) if isinstance(value, str) else value}"


def _policy_then(found: Explanation) -> Iterator[str]:
    """What the cited policy was not yet at the instant from which the decision counts."""
    then = found.policy_then
    if then is None or then.active:
        return
    if then.published or then.published_at is None:
        yield "that policy was published by then, but was not the one that decided at that instant"
    else:
        when = instant_text(then.published_at)
        yield f"that policy was not published by then: it went on record at {when}"


def _citing(made: Made) -> str:
    cited = made.event.policy if isinstance(made.event, Decided) else None
    return "" if cited is None else f", citing {policy(cited)}"


def _asked_again(again: Rerun) -> Iterator[str]:
    match again.verdict:
        case Verdict.NO_POLICY:
            return
        case Verdict.REPRODUCED:
            yield "asked again, the policy says the same of the same facts"
        case Verdict.FACTS_ERASED:
            yield "it cannot be asked again: the facts about the person are erased"
        case Verdict.NOT_RUN:
            yield "it was not asked again: the process that evaluates policies is not to be had now"
        case Verdict.FAULTY:
            yield f"asked again, the policy gives no decision: {again.fault}"
        case Verdict.DRIFTED:
            yield "asked again, not everything is as it was"
    for drift in again.drifts:
        yield f"{drift.cause.value}, {drift.kind.replace('_', ' ')}: {drift.detail}"
    if again.verdict is Verdict.DRIFTED and again.answer is not None:
        yield f"to the facts on record it says {again.answer.outcome.value} today"
    if again.answer_to_rebuilt is not None:
        yield f"to the facts as rebuilt it says {again.answer_to_rebuilt.outcome.value}"
