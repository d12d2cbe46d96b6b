"""One event of every kind, stored in samples/ as it was first written.

A sample is never changed: what was stored once is read for ever. `python -m
tests.ledger.sample_events` writes those that are missing.
"""

from datetime import UTC, date, datetime
from decimal import Decimal
from os import urandom
from pathlib import Path
from typing import Final
from uuid import UUID

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from lending.domain import (
    identities,
    models,
    policies,
    products,
    registry,
    signing,
    subjects,
    suspensions,
)
from lending.domain.application import commands as c
from lending.domain.application import events as e
from lending.domain.application.reasons import Reason
from lending.domain.authority import PrincipalKind, Role
from lending.domain.calendar import BusinessDayRule
from lending.domain.loan import terms as t
from lending.ledger.canonical import canonical_json
from lending.ledger.codec import Codec, StoredEvent
from lending.ledger.sealing import Keyring
from tests.ledger.sample_loans import LOAN_SAMPLES

DIRECTORY: Final = Path(__file__).parent / "samples"
APPLICATION_ID: Final = UUID("019c1234-5678-7000-8abc-def012345678")
APPLICANT: Final = "cust_2002"


def keyring() -> Keyring:
    """The keys with which the samples are sealed."""
    ciphers = {APPLICANT: AESGCM(b"sample key of cust_2002 ........")}
    joint = {"cust_2003": AESGCM(b"sample key of cust_2003 ........")}
    return Keyring(APPLICATION_ID, urandom, {**ciphers, **joint})


CITED: Final = e.PolicyCited(
    name="debt-to-income", version="1", digest="d1" * 32, registry_position=1
)

OLDER: Final[tuple[tuple[StoredEvent, int], ...]] = (
    (
        e.Offered(
            offer_id="1",
            amount=Decimal("9000.00"),
            term_months=36,
            rate_percent=Decimal("7.25"),
            valid_until=date(2026, 4, 30),
        ),
        1,
    ),
    (
        e.Disbursed(offer_id="1", amount=Decimal("9000.00"), reference="pay-1", channel="sepa"),
        1,
    ),
    (
        e.Decided(
            outcome=c.Outcome.COUNTER_OFFERED,
            decider="policy:debt-to-income@1",
            amount=Decimal("9000.00"),
            term_months=36,
            policy=CITED,
            reasons=(Reason.INCOME_INSUFFICIENT, Reason.OTHER),
            other_reason="runs a circus",
            text="close call",
            facts={"amount": "12000.00", "currency": "USD"},
            personal_facts={"income": "6500.00"},
            trace=("debt_to_income_not_below_limit",),
        ),
        1,
    ),
    (policies.PolicyActivated(name="debt-to-income", version="1"), 1),
)
"""What the samples of older versions say, and which version they are of."""

JOINT: Final = (
    e.JointApplicant(applicant_id="cust_2003", income=Decimal("1000.50")),
    e.JointApplicant(applicant_id="cust_2004"),
)
PRODUCT: Final = products.Product(
    name="personal-loan",
    version="2026-10",
    terms=t.Terms(
        currency="USD",
        rate_percent=Decimal("9.90"),
        instalments=36,
        rate_steps=(t.RateStep(from_instalment=13, rate_percent=Decimal("11.5")),),
        amortization_instalments=60,
        due_day=5,
        first_period_days=20,
        business_day_rule=BusinessDayRule.MODIFIED_FOLLOWING,
        holidays="us-ny",
        level_interest=t.PeriodInterest.DAYS,
        compoundings_per_year=2,
        instalment_unit=Decimal("0.05"),
        payment_rules=(
            t.PaymentRule(
                kind=t.PaymentKind.MERCHANT_REFUND,
                order=(t.AllocationStep.DUE_PRINCIPAL, t.AllocationStep.IN_ADVANCE_PRINCIPAL),
                processing=t.Processing.BY_STEP,
                prepayment=t.Prepayment.LAST,
            ),
            t.PaymentRule(),
        ),
        origination_fee=t.OriginationFee(amount=Decimal("25.00"), percent=Decimal("0.5")),
        instalment_fee=t.InstalmentFee(amount=Decimal("1.50")),
        late_fee=t.LateFee(percent=Decimal(5), maximum=Decimal("30.00")),
        write_off_below=Decimal("1.00"),
        charge_off_days=120,
        delinquency_buckets=(
            t.DelinquencyBucket(name="early", from_days=1, to_days=29),
            t.DelinquencyBucket(name="late", from_days=30),
        ),
    ),
    amount_min=Decimal("1000.00"),
    amount_max=Decimal("50000.00"),
    instalments_min=13,
    instalments_max=60,
    rate_percent_min=Decimal("5.90"),
    rate_percent_max=Decimal("19.90"),
)
SAMPLES: Final[tuple[StoredEvent, ...]] = (
    e.Applied(
        applicant_id=APPLICANT,
        amount=Decimal("12000.00"),
        currency="USD",
        credit_kind=c.CreditKind.CONSUMER,
        term_months=36,
        income=Decimal("6500.00"),
        purpose="ein gebrauchtes Auto \u2013 \U0001f697\n",
        co_applicants=JOINT,
        reference="branch-7/2026-118",
        continues=UUID("019c1111-2222-7000-8333-444455556666"),
    ),
    e.Amended(
        amount=Decimal("9000.00"),
        term_months=24,
        income=Decimal("0.00"),
        purpose="a smaller car",
        co_applicants=(),
        reference="branch-7/2026-119",
    ),
    e.ContextAttached(
        kind=c.ContextKind.DOCUMENT,
        stage="received",
        source="upload",
        digest="c0" * 32,
        facts={"employer": "verified", "": "empty name"},
    ),
    e.InformationRequested(
        items=("proof_of_income", "passport"), due_on=date(2026, 4, 1), text="please"
    ),
    e.InformationSupplied(items=("passport",), text="came by letter"),
    e.Scored(
        model="credit-risk",
        model_version="2026-10",
        score=Decimal("712.5"),
        score_low=Decimal(300),
        score_high=Decimal(850),
        scored_on=date(2026, 3, 9),
        provider="bureau",
        artifact_digest="a0" * 32,
        input_digest="b0" * 32,
        factors=("utilisation", "inquiries"),
    ),
    e.Decided(
        outcome=c.Outcome.COUNTER_OFFERED,
        decider="policy:debt-to-income@1",
        amount=Decimal("9000.00"),
        term_months=36,
        policy=CITED,
        reasons=(Reason.INCOME_INSUFFICIENT, Reason.OTHER),
        other_reason="runs a circus",
        text="close call",
        facts={"amount_minor": 1200000, "currency": "USD", "score_stale": False},
        personal_facts={"income_monthly_minor": 650000},
        trace=("debt to income/not-below-limit",),
        fact_schema=1,
        engine="zen",
        engine_version="2.1.3",
        trace_digest="f0" * 32,
    ),
    e.Overridden(
        outcome=c.Outcome.APPROVED,
        justification="collateral was valued again",
        amount=Decimal("12000.00"),
        term_months=36,
        reasons=(Reason.BANKRUPTCY,),
        other_reason="x",
    ),
    e.NoticeSent(
        kind=c.NoticeKind.ADVERSE_ACTION,
        sent_on=date(2026, 3, 9),
        channel="letter",
        digest="e0" * 32,
    ),
    e.Noted(text="applicant called back", topic="phone"),
    e.Held(kind=c.HoldKind.FRAUD, text="reported"),
    e.Released(kind=c.HoldKind.FRAUD, text="cleared"),
    e.Withdrawn(by=c.WithdrawnBy.APPLICANT, text="found better"),
    e.ClosedUnfunded(closed_as=c.Closure.INCOMPLETE, text="never came"),
    e.OfferReturned(offer_id="1"),
    e.OfferAccepted(offer_id="1"),
    e.OfferRefused(offer_id="1", text="too dear"),
    e.OfferWithdrawn(offer_id="1", text="rates moved"),
    e.OfferExpired(offer_id="1"),
    policies.PolicyPublished(
        name="debt-to-income", version="1", definition="amount \u2264 income", digest="d1" * 32
    ),
    policies.PolicyActivated(
        name="debt-to-income",
        version="1",
        effective_from=datetime(2026, 4, 1, tzinfo=UTC),
    ),
    policies.PolicyWithdrawn(name="debt-to-income", version="1", reason="replaced"),
    models.ModelRegistered(
        name="credit-risk",
        version="2026-10",
        artifact_digest="a0" * 32,
        owner="risk-modelling",
        valid_from=date(2026, 1, 1),
        valid_to=date(2026, 12, 31),
    ),
    models.ModelWithdrawn(name="credit-risk", version="2026-10", reason="drift"),
    registry.EpochOpened(
        epoch=1,
        first_position=41,
        reason="promoted standby",
        system_identifier="7300000000000000001",
        timeline=2,
    ),
    suspensions.Suspended(
        subject=suspensions.Subject.POLICY,
        name="debt-to-income@1",
        reason="approves what it should not since Tuesday",
    ),
    suspensions.Reinstated(subject=suspensions.Subject.AUTOMATION, reason="the drill is over"),
    identities.PrincipalRegistered(
        name="scorer-eu",
        kind=PrincipalKind.AGENT,
        roles=(Role.RISK, Role.UNDERWRITER),
        limits={"EUR": "50000.00", "JPY": "5000000"},
        acts_for=("desk-7",),
    ),
    identities.KeyIssued(
        key_id="k7f2m4q6x2abcdef",
        principal="scorer-eu",
        digest="f0" * 32,
        expires_at=datetime(2026, 6, 7, 8, 9, 10, 11, UTC),
        replaces="a2b3c4d5e6f7g2h3",
        replaced_until=datetime(2026, 3, 9, tzinfo=UTC),
    ),
    identities.KeyRevoked(key_id="a2b3c4d5e6f7g2h3", reason="was in a log file"),
    products.ProductPublished(product=PRODUCT, digest="f7" * 32),
    products.ProductWithdrawn(name="personal-loan", version="2026-10", reason="replaced"),
    signing.SigningKeyIssued(
        key_id="56475aa75463474c",
        public_key="A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=",
        vkey="lending/019c0000-0000-7000-8000-00000000aaaa/0/1+3e1f3f51"
        "+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4",
        replaces="f0e1d2c3b4a59687",
        replaced_until=datetime(2026, 4, 1, tzinfo=UTC),
    ),
    signing.SigningKeyRevoked(key_id="56475aa75463474c", reason="was in a backup"),
    subjects.SubjectHeld(subject=APPLICANT, reason="a suit about the loan"),
    subjects.SubjectReleased(subject=APPLICANT, reason="the suit is over"),
    subjects.SubjectErased(
        subject=APPLICANT,
        reason="a request under article 17",
        applications=(APPLICATION_ID,),
    ),
    subjects.SubjectKeysDestroyed(subject=APPLICANT, applications=(APPLICATION_ID,)),
    subjects.PersonalDataExported(
        subject=APPLICANT, reason="a request under article 15", applications=1
    ),
    *LOAN_SAMPLES,
)
"""The samples of the current versions. An older version's stays in samples/, read by upcasters."""


def path_of(event: StoredEvent) -> Path:
    """Where the event's sample is."""
    return DIRECTORY / f"{event.stored_as}.v{event.schema_version}.json"


def main() -> None:
    """Write the samples that are missing."""
    codec = Codec()
    for event in SAMPLES:
        if not path_of(event).exists():
            data = canonical_json(codec.encode(event, keyring(), APPLICANT))
            path_of(event).write_bytes(data + b"\n")


if __name__ == "__main__":
    main()
