"""The routes that read a loan, and how the OpenAPI document describes them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from lending.api import openapi
from lending.api.answer_schemas import (
    DATE,
    DECIMAL,
    POSITION,
    TEXT,
    UUID_TEXT,
    WHOLE,
    array,
    or_null,
    record,
    reference,
)
from lending.api.loans import CSV, HTML, NOTHING, QUOTE, SCHEDULE, STATEMENT, LoanReading
from lending.api.query import Query
from lending.api.routing import Endpoint
from lending.contract.loan_views import COMPONENTS
from lending.domain.loan.book import LoanStatus
from lending.domain.loan.lines import LineKind
from lending.domain.loan.terms import Component
from lending.domain.servicing.statement import Direction

_STATUSES: Final = (404, 406, *openapi.ALWAYS)
_SUMS: Final = dict.fromkeys(COMPONENTS, DECIMAL)
_HEAD: Final = {
    "application_id": UUID_TEXT,
    "version": WHOLE,
    "position": POSITION,
    "currency": TEXT,
}
_OFFER_ID: Final = openapi.in_path("offer_id", {"type": "string"}, "The offer.")
_AS_TEXT: Final = {"type": "string"}


def routes(to: LoanReading) -> Iterator[tuple[str, Endpoint, dict[str, Any]]]:
    """Path behind the application, endpoint and operation of each route."""
    yield (
        "/schedule",
        to.schedule,
        _operation(
            "read_schedule", "Its instalments, at the end of any day", "Schedule", SCHEDULE, CSV
        ),
    )
    yield (
        "/statement",
        to.statement,
        _operation(
            "read_statement", "What happened from one day to another", "Statement", STATEMENT,
            CSV, HTML,
        ),
    )  # fmt: skip
    yield (
        "/offers/{offer_id}/schedule",
        to.offered,
        _operation(
            "read_offered_schedule", "The loan that an offer would be", "OfferedSchedule", NOTHING,
            parameters=[_OFFER_ID],
        ),
    )  # fmt: skip
    yield (
        "/payoff-quote",
        to.payoff_quote,
        _operation("read_payoff_quote", "What pays it off on a day", "PayoffQuote", QUOTE),
    )


def _operation(
    name: str,
    summary: str,
    component: str,
    query: Query,
    *also: str,
    parameters: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    return openapi.reading(
        name,
        summary,
        reference(component),
        parameters=[openapi.APPLICATION_ID, *parameters, *openapi.in_query(query)],
        statuses=_STATUSES,
        also=dict.fromkeys(also, _AS_TEXT),
    )


def components() -> dict[str, Any]:
    """The components that describe these answers, by name."""
    return {
        "LoanBalances": {**_balances(), "description": "What is owed at the end of a day."},
        "Schedule": record(
            **_HEAD,
            balances=reference("LoanBalances"),
            delinquency=record(
                since=or_null(DATE),
                past_due_days=WHOLE,
                delinquent_days=WHOLE,
                amount=DECIMAL,
                bucket=or_null(TEXT),
            ),
            instalments=array(_line()),
        ),
        "OfferedSchedule": record(
            **_HEAD,
            offer_id=TEXT,
            disburse_on=DATE,
            disclosed={"type": "object", "description": "As in the event `offered`."},
            instalments=array(
                record(
                    number=WHOLE,
                    kind=_one_of([*LineKind]),
                    **{"from": DATE},
                    due_on=DATE,
                    principal=DECIMAL,
                    interest=DECIMAL,
                    fees=DECIMAL,
                    total=DECIMAL,
                    balance=DECIMAL,
                )
            ),
        ),
        "Statement": record(
            **_HEAD,
            opening=reference("LoanBalances"),
            fell_due=array(
                record(
                    number=or_null(WHOLE),
                    version=or_null(WHOLE),
                    due_on=DATE,
                    **_SUMS,
                    total=DECIMAL,
                    unpaid=DECIMAL,
                )
            ),
            movements=array(_movement()),
            reversed=array(
                record(
                    version=WHOLE,
                    effective_on=DATE,
                    event_type=TEXT,
                    amount=or_null(DECIMAL),
                    reversed_by=WHOLE,
                    reversed_on=DATE,
                )
            ),
            closing=reference("LoanBalances"),
        ),
        "PayoffQuote": record(
            **_HEAD, on=DATE, **_SUMS, total=DECIMAL, credit=DECIMAL, more_a_day=DECIMAL
        ),
    }


def _balances() -> Mapping[str, Any]:
    return record(
        on=DATE,
        status=or_null(_one_of([*LoanStatus])),
        principal=DECIMAL,
        due=record(**_SUMS),
        total_due=DECIMAL,
        overdue=DECIMAL,
        accrued_interest=DECIMAL,
        credit=DECIMAL,
    )


def _line() -> Mapping[str, Any]:
    sums = record(**_SUMS)
    return record(
        number=WHOLE,
        kind=_one_of([*LineKind]),
        **{"from": DATE},
        due_on=DATE,
        owed=sums,
        paid=sums,
        waived=sums,
        written_off=sums,
        outstanding=DECIMAL,
        balance=DECIMAL,
        paid_in_advance=DECIMAL,
        paid_late=DECIMAL,
        met_on=or_null(DATE),
    )


def _movement() -> Mapping[str, Any]:
    return record(
        version=WHOLE,
        effective_on=DATE,
        event_type=TEXT,
        direction=or_null(_one_of([*Direction])),
        kind=or_null(TEXT),
        reference=or_null(TEXT),
        charge=or_null(WHOLE),
        amount=or_null(DECIMAL),
        **_SUMS,
        principal_change=DECIMAL,
        credit=DECIMAL,
        recovered=DECIMAL,
        balance=DECIMAL,
        allocation=array(
            record(due_on=or_null(DATE), component=_one_of([*Component]), amount=DECIMAL)
        ),
    )


def _one_of(values: list[str]) -> Mapping[str, Any]:
    return {"type": "string", "enum": values}
