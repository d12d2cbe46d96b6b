"""Terms are data: what a product fixes is what is stored and what HTTP takes."""

from decimal import Decimal

from pydantic import TypeAdapter

from lending.contract.schema_types import typed_dict
from lending.domain.loan.terms import (
    AllocationStep,
    Component,
    PaymentKind,
    PaymentRule,
    Prepayment,
    Terms,
    Timing,
    payment_rule,
)


def test_http_takes_the_three_that_have_no_default() -> None:
    schema = TypeAdapter(typed_dict(Terms)).json_schema()
    assert schema["required"] == ["currency", "rate_percent", "instalments"]


def test_a_step_is_a_component_at_a_timing() -> None:
    step = AllocationStep.PAST_DUE_PRINCIPAL
    assert (step.timing, step.component) == (Timing.PAST_DUE, Component.PRINCIPAL)


def test_a_payment_follows_the_rule_of_its_kind_else_the_one_for_all() -> None:
    refunds = PaymentRule(kind=PaymentKind.MERCHANT_REFUND, prepayment=Prepayment.LAST)
    others = PaymentRule(prepayment=Prepayment.REAMORTISE)
    terms = Terms(
        currency="USD", rate_percent=Decimal(7), instalments=6, payment_rules=(refunds, others)
    )
    assert payment_rule(terms, PaymentKind.MERCHANT_REFUND) is refunds
    assert payment_rule(terms, PaymentKind.INSTALMENT) is others


def test_without_rules_what_is_oldest_is_paid_first_and_principal_last() -> None:
    terms = Terms(currency="USD", rate_percent=Decimal(7), instalments=6)
    rule = payment_rule(terms, PaymentKind.INSTALMENT)
    assert rule.order[:4] == (
        AllocationStep.PAST_DUE_PENALTY,
        AllocationStep.PAST_DUE_FEE,
        AllocationStep.PAST_DUE_INTEREST,
        AllocationStep.PAST_DUE_PRINCIPAL,
    )
