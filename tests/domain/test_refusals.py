"""Refusals by precedence: where several rules say no to one command, the first of the enum is given.

Every command is tried in every state, in variants that break each of its rules alone and together.
What should be said is worked out here without any order: the set of rules that say no.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from itertools import combinations, product
from typing import Any, Final
from uuid import UUID

import pytest

from lending.domain.application import commands as c
from lending.domain.application import events as e
from lending.domain.application.circumstances import Circumstances, FactsMissing, PolicyFaulty
from lending.domain.application.commands import Outcome
from lending.domain.application.decide import decide
from lending.domain.application.reasons import Reason
from lending.domain.application.refusals import MAX_OFFERS, Refusal, Refused
from lending.domain.application.state import INITIAL, Application
from lending.domain.authority import PrincipalKind
from lending.domain.models import (
    NO_MODELS,
    ModelRegistered,
    Models,
    ModelWithdrawn,
    evolve_models,
)
from lending.domain.suspensions import Subject
from tests.domain.builders import (
    POLICY,
    accepted,
    applied,
    approved,
    approving,
    counter_offered,
    disbursed,
    offered,
    referred,
    rejected,
    scored,
)
from tests.domain.principals import by, suspended
from tests.domain.rules import BARRING, all_rules, broken, exclusive
from tests.domain.servicing.test_refused import SERVICING_REFUSALS
from tests.domain.spec import APPLIED_AT, TODAY, circumstances, fold

ORDER: Final = {refusal: index for index, refusal in enumerate(Refusal)}
PAST, FUTURE, FAR = (TODAY + timedelta(days=days) for days in (-1, 1, 2))

# states

OFFERS: Final = (
    offered("open"),
    offered("lapsed", "90000.00", valid_until=date(2026, 3, 3)),
    offered("closed", "90000.00", valid_until=date(2026, 3, 3)),
    e.OfferRefused(offer_id="closed"),
)
MANY_OFFERS: Final = tuple(offered(str(n)) for n in range(MAX_OFFERS - 3))
ASKED: Final = e.InformationRequested(items=("payslip",))
COURSES: Final[Mapping[str, tuple[e.Event, ...]]] = {
    "pending": (),
    "asked": (ASKED,),
    "referred": (ASKED, referred()),
    "countered": (ASKED, counter_offered()),
    "approved": (ASKED, approved()),
    "withdrawn early": (ASKED, e.Withdrawn(by=c.WithdrawnBy.APPLICANT)),
    "expired": (ASKED, e.ClosedUnfunded(closed_as=c.Closure.EXPIRED)),
    "rejected": (ASKED, rejected()),
    "withdrawn": (ASKED, approved(), e.Withdrawn(by=c.WithdrawnBy.APPLICANT)),
    "active": (ASKED, approved(), offered("paid"), accepted("paid"), disbursed("paid")),
}
WITH_OFFERS: Final[Mapping[str, tuple[e.Event, ...]]] = {
    "no offers": (),
    "offers": OFFERS,
    "accepted": (*OFFERS, accepted("open")),
    "accepted, uncovered": (*OFFERS, accepted("lapsed"), offered("late")),
    "full": (*OFFERS, *MANY_OFFERS),
    "full, accepted": (*OFFERS, *MANY_OFFERS, accepted("open")),
}
HELD: Final = e.Held(kind=c.HoldKind.FRAUD)


ABOUT_OFFERS: Final = frozenset(
    {c.MakeOffer, c.ReturnOffer, c.AcceptOffer, c.RefuseOffer, c.WithdrawOffer, c.ExpireOffer}
    | {c.Disburse}
)


def states(kind: type[c.Command]) -> Iterator[Application]:
    """Every course, free and held, with all kinds of offers where they matter to the command.

    All but the first are scored by ada, with a bankruptcy as the factor.
    """
    score = replace(scored(), factors=(Reason.BANKRUPTCY,))
    yield INITIAL
    offers = WITH_OFFERS.values() if kind in ABOUT_OFFERS else (OFFERS,)
    for made, happened, held in product(offers, COURSES.values(), ((), (HELD,))):
        yield fold((applied(), score, *made, *happened, *held), by="ada")


# commands: the values with which each rule is kept or broken

REASONS: Final = (
    (),
    (Reason.BANKRUPTCY,),
    (Reason.OTHER,),
    (Reason.NOT_RECORDED,),
    (Reason.NOT_RECORDED, Reason.OTHER, Reason.NOT_RECORDED),
    tuple(Reason)[:5],
    (*tuple(Reason)[:4], Reason.NOT_RECORDED, Reason.NOT_RECORDED),
)
AMOUNTS: Final = (None, Decimal(12000), Decimal(9000), Decimal("-0.001"), Decimal("0.001"))
OFFER_IDS: Final = ("open", "lapsed", "closed", "unknown")
ALONE: Final = (c.CoApplicant(applicant_id="cust_2002"),)
VALUES: Final[Mapping[type[c.Command], Mapping[str, tuple[Any, ...]]]] = {
    c.Apply: {
        "applicant_id": ("cust_2002",),
        "amount": AMOUNTS[1:],
        "currency": ("USD", "XXX"),
        "co_applicants": ((), ALONE),
        "continues": (None, UUID(int=7)),
    },
    c.Amend: {"amount": AMOUNTS, "term_months": (None, 12), "co_applicants": (None, ALONE)},
    c.AttachContext: {"kind": (c.ContextKind.DOCUMENT,), "stage": (None, "x")},
    c.RequestInformation: {"items": (("payslip",), ("passport",))},
    c.SupplyInformation: {"items": (("payslip",), ("passport",))},
    c.Score: {
        "model": ("m",),
        "model_version": ("1",),
        "score": (Decimal(5),),
        "score_low": (None, Decimal(6)),
        "scored_on": (None, FUTURE, FAR),
        "artifact_digest": (None, "b" * 64),
    },
    c.Decide: {
        "outcome": (None, *Outcome),
        "amount": AMOUNTS,
        "term_months": (None, 12),
        "policy": (None, "p"),
        "reasons": REASONS,
        "other_reason": (None, "x", "Company policy."),
        "failed_on": (None, c.FailedOn.SCORE),
    },
    c.Override: {
        "outcome": tuple(Outcome),
        "justification": ("x",),
        "amount": AMOUNTS,
        "term_months": (None, 12),
        "reasons": REASONS,
        "other_reason": (None, "x", "Company policy."),
    },
    c.RecordNotice: {
        "kind": tuple(c.NoticeKind),
        "sent_on": (APPLIED_AT.date() - timedelta(days=1), FUTURE, FAR),
        "channel": ("letter",),
    },
    c.AddNote: {"text": ("x",)},
    c.Hold: {"kind": tuple(c.HoldKind)},
    c.Release: {"kind": tuple(c.HoldKind)},
    c.Withdraw: {},
    c.CloseUnfunded: {"closed_as": tuple(c.Closure)},
    c.MakeOffer: {
        "amount": (*AMOUNTS[1:], Decimal(90000)),
        "offer_id": (None, "closed"),
        "term_months": (None, 12),
        "valid_until": (None, PAST, FUTURE),
    },
    c.ReturnOffer: {"offer_id": OFFER_IDS},
    c.AcceptOffer: {"offer_id": OFFER_IDS},
    c.RefuseOffer: {"offer_id": OFFER_IDS},
    c.WithdrawOffer: {"offer_id": OFFER_IDS},
    c.ExpireOffer: {"offer_id": OFFER_IDS},
    c.Disburse: {"amount": (None, Decimal(1))},
}
PLAIN: Final = circumstances()


def models_with(name: str, *, withdrawn: bool = False) -> Models:
    """Score models with one that counts from yesterday on, unless it was withdrawn."""
    registered = ModelRegistered(
        name=name, version="1", artifact_digest="a" * 64, owner="risk", valid_from=PAST
    )
    known = evolve_models(NO_MODELS, registered, 1)
    gone = ModelWithdrawn(name=name, version="1", reason="drift")
    return evolve_models(known, gone, 2) if withdrawn else known


OFF: Final = (
    (Subject.PRINCIPAL, "ada"),
    (Subject.AUTOMATION, None),
    (Subject.POLICY, "debt-to-income"),
    (Subject.POLICY, "p"),
)
"""Everything that can be suspended is."""
STOPPED: Final = circumstances(asking=by(suspensions=suspended(*OFF)))
UNDER_AUTHORITY: Final = (
    STOPPED,
    STOPPED._replace(asking=by(suspensions=suspended(*OFF[1:]))),
    STOPPED._replace(asking=by(suspensions=suspended(*OFF[2:]))),
    circumstances(asking=by()),
    circumstances(asking=by(name="bert", limit="9000")),
)
"""Each barred by fewer rules than the one before."""
CIRCUMSTANCES: Final[Mapping[type[c.Command], tuple[Circumstances, ...]]] = {
    c.Apply: (
        PLAIN,
        circumstances(continued=fold((applied(),))),
        circumstances(continued=fold((applied(), e.Withdrawn(by=c.WithdrawnBy.APPLICANT)))),
        STOPPED,
        STOPPED._replace(named=fold((applied(),))),
    ),
    c.Decide: (
        PLAIN,
        circumstances(verdict=FactsMissing(("income",)), backdated=True),
        circumstances(verdict=approving()),
        *UNDER_AUTHORITY,
        *(given._replace(policy=POLICY, verdict=approving()) for given in UNDER_AUTHORITY[:3]),
        STOPPED._replace(policy=POLICY, verdict=FactsMissing(("income",))),
        circumstances(verdict=PolicyFaulty("no_answer")),
        STOPPED._replace(policy=POLICY, verdict=PolicyFaulty("no_answer")),
    ),
    c.Score: tuple(
        given._replace(models=models)
        for models in (None, NO_MODELS, models_with("m"), models_with("m", withdrawn=True))
        for given in (PLAIN, STOPPED)
    ),
    c.Override: (
        PLAIN,
        circumstances(backdated=True),
        *UNDER_AUTHORITY,
        circumstances(asking=by(name="ada", kind=PrincipalKind.HUMAN)),
        circumstances(asking=by(name="bert", kind=PrincipalKind.HUMAN, limit="9000")),
    ),
}
"""What else there is to know."""
BEFORE: Final = APPLIED_AT - timedelta(days=1)


def commands(kind: type[c.Command]) -> list[c.Command]:
    """The command in every combination of its values."""
    values = VALUES[kind]
    chosen = (dict(zip(values, one, strict=True)) for one in product(*values.values()))
    return [kind(**one) for one in chosen if _tells_more(one)]


def _tells_more(chosen: Mapping[str, Any]) -> bool:
    """Leave out what is about reasons only, where it would meet with nothing else than before."""
    of_reasons = chosen.get("failed_on") or chosen.get("other_reason") == "Company policy."
    if not of_reasons:
        return True
    both = chosen.get("failed_on") and chosen["other_reason"] is None
    adverse = chosen["outcome"] in (Outcome.REJECTED, Outcome.COUNTER_OFFERED, Outcome.APPROVED)
    return chosen["term_months"] is None and adverse and not both


def cases(kind: type[c.Command]) -> Iterator[tuple[c.Command, Application, Circumstances]]:
    """Every variant of a command in every state and in all circumstances."""
    ordinary = CIRCUMSTANCES.get(kind, (PLAIN, STOPPED))
    earlier = ordinary if kind in (c.Decide, c.Score) else ordinary[:4]
    before = [given._replace(effective_at=BEFORE) for given in earlier]
    yield from product(commands(kind), states(kind), (*ordinary, *before))


@pytest.mark.parametrize("kind", c.ORIGINATION_COMMANDS, ids=c.command_name)
def test_of_all_rules_that_say_no_the_first_of_the_enum_is_given(kind: type[c.Command]) -> None:
    given_first: set[Refusal] = set()
    together: set[tuple[Refusal, ...]] = set()
    for command, state, given in cases(kind):
        rules = sorted(broken(command, state, given), key=ORDER.__getitem__)
        answer = decide(command, state, given)
        first = {*BARRING, Refusal.EFFECTIVE_BEFORE_APPLICATION}
        if answer == [] and first.isdisjoint(rules):
            continue  # so already, which comes before the other rules
        said = answer.refusal if isinstance(answer, Refused) else None
        assert said is (rules[0] if rules else None), (command, state.status)
        given_first.update(rules[:1])
        together.update(combinations(rules, 2))
    possible = combinations(sorted(all_rules(kind), key=ORDER.__getitem__), 2)
    assert given_first == all_rules(kind)
    assert [pair for pair in possible if not exclusive(*pair) and pair not in together] == []


def test_every_refusal_is_given_to_some_command() -> None:
    found = set().union(*(all_rules(kind) for kind in c.ORIGINATION_COMMANDS))
    # What tells of somebody who was erased is refused in tests/domain/test_erasure.py.
    assert found | SERVICING_REFUSALS | {Refusal.SUBJECT_ERASED} == set(Refusal)


def test_a_refusals_code_is_its_name_and_its_meaning_is_a_sentence() -> None:
    for refusal in Refusal:
        assert refusal.code == refusal.name.lower()
        assert refusal.meaning[0].isupper()
        assert refusal.meaning.endswith(".")
