"""Commands out of small alphabets, so that they meet each other: the same amounts, offers, days."""

from datetime import timedelta
from decimal import Decimal
from typing import Any, Final

from hypothesis import strategies as st

from lending.domain.application import commands as c
from lending.domain.application.circumstances import FactsMissing, Verdict
from lending.domain.application.reasons import Reason
from tests.domain.builders import approving, rejecting
from tests.domain.spec import TODAY

AMOUNTS: Final = st.sampled_from([Decimal(a) for a in ("12000", "9000.00", "0.01", "0", "0.001")])
GOOD_AMOUNTS: Final = st.sampled_from([Decimal(a) for a in ("12000", "9000.00", "0.01")])
TERMS: Final = st.sampled_from([None, None, 12, 36])
TEXTS: Final = st.sampled_from([None, "x", "\u00e4\n"])
NOTES: Final = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=3)
OFFER_IDS: Final = st.sampled_from(["1", "2", "3", "spring"])
ITEMS: Final = st.lists(st.sampled_from(["payslip", "passport", "lease"]), min_size=1, max_size=3)
DAYS: Final = st.sampled_from([TODAY + timedelta(days=days) for days in (-1, 0, 1, 2)])
REASONS: Final = st.lists(
    st.sampled_from(
        [Reason.BANKRUPTCY, Reason.OTHER, Reason.NOT_RECORDED, Reason.INCOME_INSUFFICIENT]
    ),
    max_size=5,
).map(tuple)
INCOMES: Final = st.sampled_from([None, Decimal(0), Decimal(6500), Decimal("0.001")])
CO_APPLICANTS: Final = st.lists(
    st.builds(
        c.CoApplicant,
        applicant_id=st.sampled_from(["cust_2003", "cust_2004", "cust_2002"]),
        income=INCOMES,
    ),
    max_size=2,
).map(tuple)
VERDICTS: Final[st.SearchStrategy[Verdict | FactsMissing | None]] = st.sampled_from(
    [None, FactsMissing(("income",)), approving(), rejecting()]
)


def maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """The value, or none."""
    return st.none() | strategy


APPLICATIONS: Final = st.builds(
    c.Apply,
    applicant_id=st.just("cust_2002"),
    amount=GOOD_AMOUNTS,
    term_months=TERMS,
    income=st.sampled_from([None, Decimal(0), Decimal(6500)]),
    purpose=TEXTS,
)
OF_KIND: Final[dict[type[c.Command], st.SearchStrategy[Any]]] = {
    c.Apply: st.builds(
        c.Apply,
        applicant_id=st.just("cust_2002"),
        amount=AMOUNTS,
        currency=st.sampled_from(["USD", "JPY", "XXX"]),
        income=INCOMES,
        co_applicants=CO_APPLICANTS,
    ),
    c.Amend: st.builds(
        c.Amend,
        amount=maybe(AMOUNTS),
        term_months=TERMS,
        income=INCOMES,
        co_applicants=maybe(CO_APPLICANTS),
    ),
    c.AttachContext: st.builds(
        c.AttachContext,
        kind=st.sampled_from(c.ContextKind),
        stage=TEXTS,
        facts=st.sampled_from([None, {}, {"employer": "verified"}]),
    ),
    c.RequestInformation: st.builds(
        c.RequestInformation, items=ITEMS.map(tuple), due_on=maybe(DAYS), text=TEXTS
    ),
    c.SupplyInformation: st.builds(c.SupplyInformation, items=ITEMS.map(tuple), text=TEXTS),
    c.Score: st.builds(
        c.Score,
        model=st.just("m"),
        model_version=st.sampled_from(["1", "2"]),
        score=AMOUNTS,
        score_low=maybe(AMOUNTS),
        scored_on=maybe(DAYS),
    ),
    c.Decide: st.builds(
        c.Decide,
        outcome=maybe(st.sampled_from(c.Outcome)),
        amount=maybe(AMOUNTS),
        term_months=TERMS,
        reasons=REASONS,
        other_reason=TEXTS,
    )
    | st.just(c.Decide()),
    c.Override: st.builds(
        c.Override,
        outcome=st.sampled_from(c.Outcome),
        justification=st.just("x"),
        amount=maybe(AMOUNTS),
        term_months=TERMS,
        reasons=REASONS,
        other_reason=TEXTS,
    ),
    c.RecordNotice: st.builds(
        c.RecordNotice,
        kind=st.sampled_from(c.NoticeKind),
        sent_on=DAYS,
        channel=st.just("letter"),
    ),
    c.AddNote: st.builds(c.AddNote, text=NOTES),
    c.Hold: st.builds(c.Hold, kind=st.sampled_from(c.HoldKind), text=TEXTS),
    c.Release: st.builds(c.Release, kind=st.sampled_from(c.HoldKind), text=TEXTS),
    c.Withdraw: st.builds(c.Withdraw, by=st.sampled_from(c.WithdrawnBy), text=TEXTS),
    c.CloseUnfunded: st.builds(c.CloseUnfunded, closed_as=st.sampled_from(c.Closure), text=TEXTS),
    c.MakeOffer: st.builds(
        c.MakeOffer,
        amount=AMOUNTS,
        offer_id=maybe(OFFER_IDS),
        term_months=TERMS,
        rate_percent=st.sampled_from([None, Decimal("7.25")]),
        valid_until=maybe(DAYS),
    ),
    c.ReturnOffer: st.builds(c.ReturnOffer, offer_id=OFFER_IDS),
    c.AcceptOffer: st.builds(c.AcceptOffer, offer_id=OFFER_IDS),
    c.RefuseOffer: st.builds(c.RefuseOffer, offer_id=OFFER_IDS, text=TEXTS),
    c.WithdrawOffer: st.builds(c.WithdrawOffer, offer_id=OFFER_IDS, text=TEXTS),
    c.ExpireOffer: st.builds(c.ExpireOffer, offer_id=OFFER_IDS),
    c.Disburse: st.builds(c.Disburse, amount=maybe(GOOD_AMOUNTS)),
}
ENDINGS: Final = (c.Withdraw, c.CloseUnfunded)


def any_command() -> st.SearchStrategy[c.Command]:
    """A command of any kind but those that end an application."""
    return st.one_of([commands for kind, commands in OF_KIND.items() if kind not in ENDINGS])


def endings() -> st.SearchStrategy[c.Command]:
    """A command that ends an application."""
    return st.one_of([OF_KIND[kind] for kind in ENDINGS])
