"""Offers before and after the decision, their answers, their last day, and paying out."""

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest

from lending.domain.application import commands as c
from lending.domain.application import events as e
from lending.domain.application.refusals import MAX_OFFERS, Refusal
from lending.domain.application.state import OfferStatus, Status
from tests.domain.builders import (
    accepted,
    applied,
    approved,
    counter_offered,
    disbursed,
    money,
    offered,
    referred,
    rejected,
)
from tests.domain.spec import TODAY, given

OFFER = c.MakeOffer(amount=Decimal(12000))
ACCEPT = c.AcceptOffer(offer_id="1")
DISBURSE = c.Disburse()
WITHDRAWN = e.Withdrawn(by=c.WithdrawnBy.APPLICANT)
RETURNED = e.OfferReturned(offer_id="1")
REFUSED = e.OfferRefused(offer_id="1")
OFFER_WITHDRAWN = e.OfferWithdrawn(offer_id="1")
EXPIRED = e.OfferExpired(offer_id="1")
YESTERDAY = TODAY - timedelta(days=1)
TOMORROW = TODAY + timedelta(days=1)


class TestMaking:
    def test_before_the_decision_is_conditional(self) -> None:
        after = given(applied()).when(OFFER).then(offered()).after
        assert after.status is Status.PENDING

    def test_after_the_decision_keeps_to_it(self) -> None:
        approval = given(applied(), approved())
        approval.when(OFFER).then(offered())
        approval.when(replace(OFFER, amount=Decimal(9000))).then(offered(amount="9000.00"))
        approval.when(replace(OFFER, amount=money("12000.01"))).then(Refusal.OFFER_NOT_COVERED)
        approval.when(replace(OFFER, term_months=12)).then(Refusal.OFFER_NOT_COVERED)

    def test_after_a_counter_offer_has_exactly_its_terms(self) -> None:
        countered = given(applied(), counter_offered("9000.00", 36))
        exact = replace(OFFER, amount=Decimal(9000), term_months=36)
        countered.when(exact).then(offered(amount="9000.00", term_months=36))
        countered.when(replace(exact, term_months=None)).then(offered(amount="9000.00"))
        countered.when(replace(exact, amount=Decimal(8999))).then(Refusal.OFFER_NOT_COVERED)
        countered.when(replace(exact, term_months=24)).then(Refusal.OFFER_NOT_COVERED)

    def test_while_referred_is_conditional_too(self) -> None:
        given(applied(), referred()).when(OFFER).then(offered())

    def test_freezes_its_terms(self) -> None:
        command = c.MakeOffer(
            offer_id="spring",
            amount=Decimal(1),
            term_months=12,
            rate_percent=money("7.25"),
            valid_until=TOMORROW,
        )
        given(applied()).when(command).then(
            e.Offered(
                offer_id="spring",
                amount=money("1.00"),
                term_months=12,
                rate_percent=money("7.25"),
                valid_until=TOMORROW,
            )
        )

    def test_without_a_name_takes_its_ordinal(self) -> None:
        given(applied(), offered("1")).when(OFFER).then(offered("2"))
        given(applied(), offered("spring")).when(OFFER).then(offered("2"))
        given(applied(), offered("2")).when(OFFER).then(offered("3"))

    def test_the_same_again_is_so_already(self) -> None:
        again = replace(OFFER, offer_id="1")
        given(applied(), offered("1")).when(again).then_already_so()

    def test_a_name_serves_once(self) -> None:
        other = c.MakeOffer(offer_id="1", amount=Decimal(5))
        given(applied(), offered("1")).when(other).then(Refusal.OFFER_ID_TAKEN)
        given(applied(), offered("1"), REFUSED).when(replace(OFFER, offer_id="1")).then(
            Refusal.OFFER_ID_TAKEN
        )

    def test_takes_amounts_as_applying_does(self) -> None:
        pending = given(applied())
        pending.when(replace(OFFER, amount=Decimal(0))).then(Refusal.AMOUNT_NOT_POSITIVE)
        pending.when(replace(OFFER, amount=money("0.001"))).then(Refusal.AMOUNT_TOO_FINE)

    def test_is_valid_today_at_least(self) -> None:
        pending = given(applied())
        pending.when(replace(OFFER, valid_until=TODAY)).then(offered(valid_until=TODAY))
        pending.when(replace(OFFER, valid_until=YESTERDAY)).then(Refusal.OFFER_LAPSED)

    def test_is_possible_a_hundred_times(self) -> None:
        history = [applied()] + [offered(str(n + 1)) for n in range(MAX_OFFERS - 1)]
        given(*history).when(OFFER).then(offered(str(MAX_OFFERS)))
        full = given(*history, offered(str(MAX_OFFERS)))
        full.when(OFFER).then(Refusal.TOO_MANY_OFFERS)

    def test_is_over_once_an_acceptance_stands(self) -> None:
        given(applied(), offered(), accepted()).when(OFFER).then(Refusal.OFFER_ALREADY_ACCEPTED)
        covered = given(applied(), offered(), accepted(), approved())
        covered.when(OFFER).then(Refusal.OFFER_ALREADY_ACCEPTED)

    def test_goes_on_where_the_decision_does_not_cover_the_acceptance(self) -> None:
        history = (applied(), offered("1"), accepted("1"), counter_offered("9000.00"))
        command = replace(OFFER, amount=Decimal(9000))
        given(*history).when(command).then(offered("2", "9000.00"))


class TestAccepting:
    def test_before_the_decision_leaves_the_application_pending(self) -> None:
        after = given(applied(), offered()).when(ACCEPT).then(accepted()).after
        assert after.status is Status.PENDING

    def test_after_the_decision_makes_it_accepted(self) -> None:
        when = given(applied(), approved(), offered()).when(ACCEPT)
        assert when.then(accepted()).after.status is Status.ACCEPTED

    def test_voids_the_other_open_offers(self) -> None:
        history = (
            applied(),
            offered("1"),
            offered("2"),
            offered("3"),
            e.OfferRefused(offer_id="3"),
        )
        after = given(*history).when(ACCEPT).after
        statuses = {offer.offer_id: offer.status for offer in after.offers.values()}
        assert statuses == {
            "1": OfferStatus.ACCEPTED,
            "2": OfferStatus.VOID,
            "3": OfferStatus.REFUSED,
        }

    def test_twice_is_so_already(self) -> None:
        given(applied(), offered(), accepted()).when(ACCEPT).then_already_so()

    def test_another_is_refused(self) -> None:
        history = (applied(), offered("1"), offered("2"), accepted("2"))
        given(*history).when(ACCEPT).then(Refusal.OFFER_ALREADY_ACCEPTED)

    def test_what_the_decision_does_not_cover_is_refused(self) -> None:
        history = (applied(), offered("1", "12000.00"), counter_offered("9000.00"))
        given(*history).when(ACCEPT).then(Refusal.OFFER_NOT_COVERED)

    def test_replaces_an_acceptance_that_the_decision_does_not_cover(self) -> None:
        history = (
            applied(), offered("1"), accepted("1"), counter_offered("9000.00"),
            offered("2", "9000.00"),
        )  # fmt: skip
        after = given(*history).when(c.AcceptOffer(offer_id="2")).after
        assert after.status is Status.ACCEPTED
        assert after.offers["1"].status is OfferStatus.VOID

    def test_until_the_last_day_of_the_offer(self) -> None:
        open_until_today = given(applied(), offered(valid_until=TODAY))
        open_until_today.when(ACCEPT).then(accepted())
        open_until_today.when(ACCEPT, on=TOMORROW).then(Refusal.OFFER_LAPSED)

    def test_counts_by_the_effective_date(self) -> None:
        lapsed_today = given(applied(), offered(valid_until=YESTERDAY))
        lapsed_today.when(ACCEPT).then(Refusal.OFFER_LAPSED)
        lapsed_today.when(ACCEPT, on=YESTERDAY, backdated=True).then(accepted())


class TestAnswering:
    @pytest.mark.parametrize(
        ("command", "event", "status"),
        [
            (c.RefuseOffer(offer_id="1"), REFUSED, OfferStatus.REFUSED),
            (c.WithdrawOffer(offer_id="1"), OFFER_WITHDRAWN, OfferStatus.WITHDRAWN),
            (c.ReturnOffer(offer_id="1"), RETURNED, OfferStatus.OPEN),
        ],
    )
    def test_an_open_offer_is_answered_once(
        self, command: c.Command, event: e.Event, status: OfferStatus
    ) -> None:
        after = given(applied(), offered()).when(command).then(event).after
        assert after.offers["1"].status is status
        given(applied(), offered(), event).when(command).then_already_so()

    def test_a_returned_offer_is_accepted_afterwards(self) -> None:
        after = given(applied(), offered(), RETURNED).when(ACCEPT).after
        assert after.offers["1"].returned

    def test_expiry_is_recorded_once_the_last_day_has_passed(self) -> None:
        expire = c.ExpireOffer(offer_id="1")
        lapsed = (applied(), offered(valid_until=YESTERDAY))
        given(*lapsed).when(expire).then(EXPIRED)
        given(*lapsed, EXPIRED).when(expire).then_already_so()
        given(applied(), offered(valid_until=TODAY)).when(expire).then(Refusal.OFFER_NOT_LAPSED)
        given(applied(), offered()).when(expire).then(Refusal.OFFER_NOT_LAPSED)

    @pytest.mark.parametrize("kind", [c.ReturnOffer, c.AcceptOffer, c.RefuseOffer, c.WithdrawOffer])
    def test_an_unknown_offer_has_no_answer(
        self, kind: type[c.ReturnOffer | c.AcceptOffer | c.RefuseOffer | c.WithdrawOffer]
    ) -> None:
        given(applied(), offered()).when(kind(offer_id="9")).then(Refusal.OFFER_UNKNOWN)
        given(applied()).when(kind(offer_id="9")).then(Refusal.NO_OPEN_OFFER)

    @pytest.mark.parametrize("closed", [REFUSED, OFFER_WITHDRAWN, EXPIRED])
    def test_a_closed_offer_has_no_other_answer(self, closed: e.Event) -> None:
        history = (applied(), offered("1"), offered("2"), closed)
        when = given(*history).when(ACCEPT)
        when.then(Refusal.OFFER_NOT_OPEN)

    @pytest.mark.parametrize(
        "end",
        [
            WITHDRAWN,
            rejected(),
            e.ClosedUnfunded(closed_as=c.Closure.EXPIRED),
            e.ClosedUnfunded(closed_as=c.Closure.INCOMPLETE),
        ],
    )
    def test_withdrawing_an_offer_that_the_end_closed_is_so_already(self, end: e.Event) -> None:
        ended = given(applied(), offered(), end)
        assert ended.state.offers["1"].status is OfferStatus.VOID
        ended.when(c.WithdrawOffer(offer_id="1")).then_already_so()
        ended.when(c.ExpireOffer(offer_id="1")).then_already_so()
        assert given(applied(), offered(), accepted(), end).state.accepted_offer is None


class TestCoverage:
    """`accepted` is an accepted offer that a decision covers, in either order."""

    @pytest.mark.parametrize(
        ("offer", "decision", "status"),
        [
            (offered(amount="12000.00"), approved("12000.00"), Status.ACCEPTED),
            (offered(amount="9000.00"), approved("12000.00"), Status.ACCEPTED),
            (offered(amount="12000.01"), approved("12000.00"), Status.APPROVED),
            (offered(amount="12000.00", term_months=24), approved(), Status.APPROVED),
            (
                offered(amount="12000.00", term_months=24),
                approved(term_months=None),
                Status.ACCEPTED,
            ),
            (offered(amount="9000.00"), counter_offered("9000.00"), Status.ACCEPTED),
            (offered(amount="8999.00"), counter_offered("9000.00"), Status.COUNTER_OFFERED),
            (offered(amount="12000.00"), counter_offered("9000.00"), Status.COUNTER_OFFERED),
            (offered(), referred(), Status.REFERRED),
            (offered(), rejected(), Status.REJECTED),
        ],
    )
    def test_a_decision_after_the_acceptance(
        self, offer: e.Offered, decision: e.Decided, status: Status
    ) -> None:
        assert given(applied(), offer, accepted(), decision).state.status is status

    def test_a_referral_in_between_changes_nothing(self) -> None:
        history = (applied(), offered(), accepted(), referred(), approved())
        assert given(*history).state.status is Status.ACCEPTED


class TestDisbursing:
    @pytest.mark.parametrize(
        "history",
        [
            (approved(), offered(), accepted()),
            (offered(), approved(), accepted()),
            (offered(), accepted(), approved()),
        ],
    )
    def test_needs_an_accepted_offer_that_a_decision_covers_in_any_order(
        self, history: tuple[e.Event, ...]
    ) -> None:
        when = given(applied(), *history).when(DISBURSE)
        assert when.then(disbursed()).after.status is Status.ACTIVE

    @pytest.mark.parametrize(
        ("history", "refusal"),
        [
            ((), Refusal.NO_ACCEPTED_OFFER),
            ((approved(), offered()), Refusal.NO_ACCEPTED_OFFER),
            ((offered(), accepted()), Refusal.NOT_DECIDED),
            ((offered(), accepted(), referred()), Refusal.OFFER_NOT_COVERED),
            ((offered(), accepted(), counter_offered()), Refusal.OFFER_NOT_COVERED),
            ((offered(), accepted(), rejected()), Refusal.APPLICATION_REJECTED),
            ((approved(), offered(), accepted(), WITHDRAWN), Refusal.APPLICATION_ENDED),
            ((approved(), offered(), accepted(), disbursed()), Refusal.FULLY_DISBURSED),
        ],
    )
    def test_is_refused_without(self, history: tuple[e.Event, ...], refusal: Refusal) -> None:
        given(applied(), *history).when(DISBURSE).then(refusal)

    def test_pays_the_accepted_offer_whole(self) -> None:
        ready = given(applied(), approved(), offered(amount="9000.00"), accepted())
        ready.when(c.Disburse(amount=Decimal(9000), reference="r", channel="sepa")).then(
            e.Disbursed(offer_id="1", amount=money("9000.00"), reference="r", channel="sepa")
        )
        when = ready.when(c.Disburse(amount=Decimal(12000)))
        when.then(Refusal.NOT_THE_OFFERED_AMOUNT).naming("the offer is 9000.00 USD")


def test_an_offer_without_a_last_day_never_lapses() -> None:
    given(applied(), offered()).when(ACCEPT, on=date(9999, 12, 31)).then(accepted())
