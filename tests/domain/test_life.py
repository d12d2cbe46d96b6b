"""The whole life of an application, in every order hypothesis can think of.

Whatever comes, the rules answer without a fault, and what they say holds together: the state is the
fold of its events, its status can be read off them, and what is over stays over.
"""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Final

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from lending.domain.application import commands as c
from lending.domain.application import events as e
from lending.domain.application.allowed import allowed_commands
from lending.domain.application.circumstances import ANYBODY, FactsMissing, Verdict, own_events
from lending.domain.application.commands import Outcome
from lending.domain.application.decide import decide
from lending.domain.application.evolve import Occurrence, evolve
from lending.domain.application.refusals import Refusal, Refused
from lending.domain.application.state import INITIAL, Application, OfferStatus, Status
from lending.domain.identifiers import uuid7
from lending.domain.registry import EMPTY_REGISTRY, Recorded, fold_registry
from lending.ledger.canonical import canonical_json, parse_json
from lending.ledger.codec import Codec
from lending.ledger.sealing import KEY_BYTES, Keyring, MasterKey
from lending.policy import catalogue
from lending.policy.engine import evaluate
from tests.domain.candidates import candidates
from tests.domain.spec import APPLIED_AT, NOW, circumstances
from tests.domain.strategies import (
    APPLICATIONS,
    DAYS,
    ENDINGS,
    OF_KIND,
    VERDICTS,
    any_command,
    endings,
)

pytestmark = pytest.mark.timeout(600)  # hypothesis makes a failure small for up to five minutes
AFTER_THE_END: Final = (e.Noted, e.NoticeSent, e.Released)
AFTER_A_REJECTION: Final = (
    *AFTER_THE_END, e.Held, e.ContextAttached, e.Scored, e.InformationSupplied, e.Overridden,
)  # fmt: skip
TOWARDS_THE_MONEY: Final = (
    c.Release, c.Decide, c.MakeOffer, c.ReturnOffer, c.AcceptOffer, c.ExpireOffer, c.Disburse,
)  # fmt: skip
PUBLISHED: Final = catalogue.first_publication()
REGISTRY: Final = fold_registry(
    EMPTY_REGISTRY, [Recorded(event, at, NOW) for at, event in enumerate(PUBLISHED, 1)]
)


def built_in_judgement(state: Application) -> Verdict | FactsMissing:
    """What the policy says with which a ledger begins."""
    policies = REGISTRY.policies
    policy = policies.active(NOW)
    assert policy is not None
    ask = catalogue.asked(policy, policies, state)
    if isinstance(ask, FactsMissing):
        return ask
    return catalogue.verdict(ask, evaluate(ask.definition, ask.facts.all, ask.others))


class Randomness:
    """Gives other bytes every time, and the same ones in every run."""

    def __init__(self) -> None:
        self._given = 0

    def __call__(self, size: int) -> bytes:
        self._given += 1
        return self._given.to_bytes(size, "big")


def status_of(events: list[e.Event]) -> Status:
    """The status, read off the events without folding them."""
    decision, accepted = None, None
    terms: dict[str, e.Offered] = {}
    for event in events:
        match event:
            case e.Disbursed():
                return Status.ACTIVE
            case e.Withdrawn():
                return Status.WITHDRAWN
            case e.ClosedUnfunded(closed_as=closed_as):
                return Status(closed_as.value)
            case e.Offered(offer_id=offer_id):
                terms[offer_id] = event
            case e.OfferAccepted(offer_id=offer_id):
                accepted = terms[offer_id]
            case e.Amended():
                accepted = None
            case e.Decided() | e.Overridden():
                decision = event
                accepted = None if event.outcome is Outcome.REJECTED else accepted
            case _:
                pass
    if decision is None:
        return Status.PENDING
    return Status.ACCEPTED if fits(decision, accepted) else Status(decision.outcome.value)


def fits(decision: e.Decided | e.Overridden, offer: e.Offered | None) -> bool:
    if offer is None or decision.amount is None:
        return False
    if None not in (terms := (offer.term_months, decision.term_months)) and len(set(terms)) > 1:
        return False
    exact = decision.outcome is Outcome.COUNTER_OFFERED
    return offer.amount == decision.amount if exact else offer.amount <= decision.amount


class Life(RuleBasedStateMachine):
    """One application; commands come at growing instants, now and then back-dated."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[tuple[e.Event, datetime]] = []
        self.state = INITIAL
        self.now = APPLIED_AT
        self.codec = Codec()
        application_id = uuid7(0, 1_772_442_000_000, 1)
        people = ["cust_2002", "cust_2003", "cust_2004"]
        master = MasterKey(bytes(KEY_BYTES), Randomness())
        self.keyring, _ = Keyring(application_id, Randomness()).grow(people, master)

    @initialize(command=APPLICATIONS, early=st.none() | any_command())
    def somebody_applies(self, command: c.Apply, early: c.Command | None) -> None:
        if early is not None and not isinstance(early, c.Apply):
            answer = decide(early, self.state, circumstances(at=self.now))
            assert answer == Refused(Refusal.APPLICATION_UNKNOWN)
        self.issue(command, self.now.date(), None)
        assert self.state.status is Status.PENDING

    @rule(command=any_command(), on=DAYS, verdict=VERDICTS)
    def anything(
        self, command: c.Command, on: date, verdict: Verdict | FactsMissing | None
    ) -> None:
        self.issue(command, on, verdict)

    @rule(command=OF_KIND[c.MakeOffer] | OF_KIND[c.AcceptOffer] | OF_KIND[c.WithdrawOffer], on=DAYS)
    def something_about_offers(self, command: c.Command, on: date) -> None:
        self.issue(command, on, None)

    @rule(data=st.data(), on=DAYS)
    def something_allowed(self, data: st.DataObject, on: date) -> None:
        self.issue_one_of([k for k in c.ORIGINATION_COMMANDS if k not in ENDINGS], data, on)

    @rule(data=st.data(), on=DAYS)
    def a_step_towards_the_money(self, data: st.DataObject, on: date) -> None:
        self.issue_one_of(TOWARDS_THE_MONEY, data, on)

    def issue_one_of(self, kinds: Sequence[type[c.Command]], data: st.DataObject, on: date) -> None:
        allowed = allowed_commands(self.state, on, ANYBODY)
        possible = [kind for kind in kinds if c.command_name(kind) in allowed]
        if possible:
            kind = data.draw(st.sampled_from(possible))
            self.issue(data.draw(st.sampled_from(candidates(kind, self.state))), on, None)

    @rule(on=DAYS)
    def the_built_in_policy_decides(self, on: date) -> None:
        self.issue(c.Decide(), on, built_in_judgement(self.state))

    @precondition(lambda self: len(self.events) > 12)
    @rule(command=endings(), on=DAYS)
    def somebody_ends_it(self, command: c.Command, on: date) -> None:
        self.issue(command, on, None)

    def issue(self, command: c.Command, on: date, verdict: Verdict | FactsMissing | None) -> None:
        """Decide, twice, and record what is decided."""
        self.now += timedelta(seconds=90)
        before = self.state
        given = circumstances(at=self.now, on=on, backdated=True, verdict=verdict)
        answer = decide(command, before, given)
        assert answer == decide(command, before, given)
        if isinstance(answer, Refused):
            return
        if answer:
            assert c.command_name(type(command)) in allowed_commands(before, on, ANYBODY)
        events = own_events(answer)
        for event in events:
            self.record(event)
        what_is_over_stays_over(before, events, self.state)

    @staticmethod
    def happening(version: int, at: datetime) -> Occurrence:
        return Occurrence(version, at, at.date(), "local")

    def record(self, event: e.Event) -> None:
        stored = canonical_json(self.codec.encode(event, self.keyring, "cust_2002"))
        read = self.codec.decode(
            event.stored_as, event.schema_version, parse_json(stored), self.keyring
        )
        assert read == event
        self.events.append((event, self.now))
        self.state = evolve(self.state, event, self.happening(len(self.events), self.now))

    @invariant()
    def the_state_is_the_fold_of_its_events(self) -> None:
        state = INITIAL
        for version, (event, at) in enumerate(self.events, 1):
            state = evolve(state, event, self.happening(version, at))
        assert state == self.state

    @invariant()
    def the_status_can_be_read_off_the_events(self) -> None:
        if self.events:
            assert self.state.status is status_of([event for event, _ in self.events])

    @invariant()
    def at_most_one_offer_is_accepted(self) -> None:
        offers = self.state.offers.values()
        accepted = [o.offer_id for o in offers if o.status is OfferStatus.ACCEPTED]
        known = self.state.accepted_offer_id
        assert accepted == ([] if known is None else [known])

    @invariant()
    def what_is_over_has_no_open_offer(self) -> None:
        if self.state.ending is not None or self.state.rejected:
            assert not self.state.open_offers()

    @invariant()
    def amounts_have_the_digits_of_the_currency(self) -> None:
        amounts = [self.state.amount, *(offer.amount for offer in self.state.offers.values())]
        for amount in amounts if self.state.exists else ():
            assert amount > 0
            assert amount.as_tuple().exponent == -2


def what_is_over_stays_over(before: Application, answer: list[e.Event], after: Application) -> None:
    """An ended application takes notes, notices and the release of holds, and nothing else changes."""
    if before.ending is not None:
        assert all(isinstance(event, AFTER_THE_END) for event in answer)
        days = before.days._replace(noticed_on=after.days.noticed_on)
        assert after._replace(holds=before.holds) == before._replace(
            notices=after.notices, days=days
        )
    if before.rejected:
        assert all(isinstance(event, AFTER_A_REJECTION) for event in answer)
        overridden = any(isinstance(event, e.Overridden) for event in answer)
        assert overridden or after.status is Status.REJECTED
    if before.disbursement is not None:
        assert after.status is Status.ACTIVE
        assert after.disbursement == before.disbursement
        assert after.disbursement.amount > Decimal(0)


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=180, stateful_step_count=40, deadline=None)
