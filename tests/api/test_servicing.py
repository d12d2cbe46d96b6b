"""A loan over HTTP from its offer to its end: what is recorded, read, refused, and kept."""

import asyncio
import csv
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from io import StringIO
from typing import Any, Final
from uuid import uuid4

import pytest

from lending.client.encoding import body_of
from lending.contract.command_table import ROUTES
from lending.domain.servicing import commands as s
from lending.domain.servicing.events import SERVICING_EVENTS
from tests.api.served import Api, problem
from tests.api.test_openapi import document, validator

pytestmark = pytest.mark.anyio
__all__ = ("document",)
TERMS: Final = {
    "currency": "USD",
    "rate_percent": "12",
    "instalments": 12,
    "late_fee": {"amount": "25.00", "grace_days": 5},
}
PRODUCT: Final = {
    "name": "personal-loan",
    "version": "1",
    "terms": TERMS,
    "instalments_min": 1,
    "instalments_max": 600,
    "rate_percent_min": "0",
    "rate_percent_max": "40",
}


@pytest.fixture(scope="module")
async def lender(shared: Api) -> Api:
    """A ledger with a product."""
    made = await shared.post("/products", PRODUCT)
    assert made.status_code == 201, made.text
    return shared


class Loan:
    """A loan, and asking of it on days of its own."""

    def __init__(self, api: Api, path: str) -> None:
        self.api = api
        self.path = path

    async def does(self, suffix: str, on: str, body: Any = None, **more: str) -> dict[str, Any]:
        """The command holds; its answer."""
        answer = await self.tries(suffix, on, body, **more)
        assert answer.status_code == 200, (suffix, answer.text)
        told: dict[str, Any] = answer.json()
        return told

    async def tries(self, suffix: str, on: str, body: Any = None, **more: str) -> Any:
        """A command that counts from noon of a day."""
        headers = {
            "Lending-Effective-At": f"{on}T12:00:00Z",
            "Idempotency-Key": more.pop("key", uuid4().hex),
            **more,
        }
        return await self.api.post(self.path + suffix, body, headers=headers)

    async def reads(self, suffix: str = "") -> Any:
        """What is read of it."""
        answer = await self.api.get(self.path + suffix)
        assert answer.status_code == 200, answer.text
        return answer.json()


async def accepted(api: Api, amount: str = "1200.00", **offer: Any) -> Loan:
    """An application whose offer of the product is accepted, on 1 January 2026."""
    headers = {"Lending-Effective-At": "2026-01-01T12:00:00Z"}
    body = {"applicant_id": "cust_2002", "amount": amount}
    opened = await api.post("/loan/applications", body, headers=headers)
    loan = Loan(api, opened.headers["location"])
    await loan.does("/decision", "2026-01-01", {"outcome": "approved"})
    said = {"amount": amount, "product": "personal-loan", **offer}
    await loan.does("/offers", "2026-01-01", said)
    await loan.does("/offers/1/acceptance", "2026-01-01")
    return loan


async def running(api: Api, amount: str = "1200.00") -> Loan:
    """A loan paid out on 1 January 2026."""
    loan = await accepted(api, amount)
    await loan.does("/disbursements", "2026-01-01", {})
    return loan


def data(answer: Mapping[str, Any], place: int = 0) -> dict[str, Any]:
    """What an event of an answer says."""
    found: dict[str, Any] = answer["events"][place]["data"]
    return found


async def test_an_offer_says_what_its_terms_come_to(lender: Api) -> None:
    loan = await accepted(lender, instalments=24, rate_percent="9.5")
    offer = (await loan.reads())["offers"][0]
    assert offer["product"] == {
        "name": "personal-loan",
        "version": "1",
        "digest": offer["product"]["digest"],
        "registry_position": offer["product"]["registry_position"],
    }
    assert offer["terms"]["instalments"] == 24
    assert offer["term_months"] == 24
    assert offer["disclosed"]["payments"][0]["count"] == 23
    assert Decimal(offer["disclosed"]["apr_percent"]).quantize(Decimal("0.01")) == Decimal("9.50")


async def test_an_offer_shows_its_schedule_before_anything_is_paid(
    lender: Api, document: dict[str, Any]
) -> None:
    loan = await accepted(lender)
    planned = await loan.reads("/offers/1/schedule")
    assert list(validator(document, "OfferedSchedule").iter_errors(planned)) == []
    assert len(planned["instalments"]) == 12
    await loan.does("/disbursements", "2026-01-01", {})
    binding = (await loan.reads("/events?after=4"))["items"][0]["data"]["schedule"]
    assert [one["due_on"] for one in planned["instalments"]] == binding["due_on"]
    assert [one["interest"] for one in planned["instalments"]] == binding["interest"]
    problem(await lender.get(loan.path + "/offers/7/schedule"), 404, "loan_not_found")


async def test_a_loan_lives_and_every_cent_can_be_followed(
    lender: Api, document: dict[str, Any]
) -> None:
    loan = await running(lender)
    paid = await loan.does("/repayments", "2026-02-01", {"amount": "106.62", "reference": "feb"})
    booking = data(paid)["booking"]
    assert (booking["principal"], booking["interest"], booking["balance"]) == (
        "94.62",
        "12.00",
        "1105.38",
    )
    assert sum(Decimal(line["amount"]) for line in booking["postings"]) == 0
    again = await loan.tries("/repayments", "2026-02-01", {"amount": "5", "reference": "feb"})
    assert problem(again, 409, "reference_repeated")["detail"].endswith("(version 6 has it)")
    await loan.does("/charges", "2026-02-05", {"kind": "fee", "amount": "10.00"})
    await loan.does("/charges/7/waiver", "2026-02-06", {"amount": "4.00"})
    await loan.does("/transactions/6/charge-back", "2026-02-10", {"amount": "50.00"})
    await loan.does("/day-close", "2026-03-10")
    schedule = await loan.reads("/schedule?effective_on=2026-03-10")
    assert schedule["delinquency"]["past_due_days"] > 0
    assert schedule["instalments"][0]["paid"]["interest"] == "12.00"
    assert schedule["instalments"][0]["waived"]["interest"] == "0.00"
    statement = await loan.reads("/statement?from=2026-02-01&to=2026-02-28")
    assert statement["opening"]["principal"] == "1200.00"
    assert [one["event_type"] for one in statement["movements"]] == [
        "repaid",
        "charge_assessed",
        "charge_waived",
        "charged_back",
    ]
    moved = [Decimal(one["principal"]) for one in statement["movements"]]
    assert Decimal(statement["closing"]["principal"]) == 1200 - moved[0] + moved[3]
    quote = await loan.reads("/payoff-quote?on=2026-06-01")
    assert Decimal(quote["total"]) > Decimal(quote["principal"])
    for body, component in (
        (schedule, "Schedule"),
        (statement, "Statement"),
        (quote, "PayoffQuote"),
        (await loan.reads(), "Application"),
    ):
        assert list(validator(document, component).iter_errors(body)) == []


async def test_a_payoff_as_quoted_leaves_nothing(lender: Api) -> None:
    loan = await running(lender)
    quote = await loan.reads("/payoff-quote?on=2026-02-15")
    short = {"amount": str(Decimal(quote["total"]) - Decimal("0.01")), "kind": "payoff"}
    problem(await loan.tries("/repayments", "2026-02-15", short), 409, "payoff_short")
    whole = {"amount": quote["total"], "kind": "payoff"}
    assert (await loan.does("/repayments", "2026-02-15", whole))["status"] == "paid_off"
    assert (await loan.does("/closing", "2026-02-16"))["status"] == "paid_off"
    problem(await loan.tries("/repayments", "2026-02-17", {"amount": 5}), 409, "loan_closed")


async def test_a_past_day_and_a_past_record_are_asked_for_apart(lender: Api) -> None:
    loan = await running(lender)
    await loan.does("/repayments", "2026-03-01", {"amount": "106.62"})
    before = await loan.reads("/statement?from=2026-01-01&to=2026-03-01&version=6")
    await loan.does("/repayments", "2026-02-01", {"amount": "106.62"})
    await loan.does("/transactions/6/reversal", "2026-03-09", {"reason": "returned_unpaid"})
    assert await loan.reads("/statement?from=2026-01-01&to=2026-03-01&version=6") == before
    now = await loan.reads("/statement?from=2026-01-01&to=2026-03-01")
    assert [one["version"] for one in now["movements"]] == [5, 7]
    assert now["reversed"] == [
        {
            "version": 6,
            "effective_on": "2026-03-01",
            "event_type": "repaid",
            "amount": "106.62",
            "reversed_by": 8,
        }
    ]
    then = await loan.reads("?effective_on=2026-01-15")
    assert (then["loan"]["balance"], then["loan"]["computed_through"]) == ("1200.00", "2026-01-15")
    assert (await loan.reads("?effective_on=2026-02-15"))["loan"]["balance"] == "1105.38"


async def test_a_statement_can_be_had_as_a_table_and_as_a_page(lender: Api) -> None:
    loan = await running(lender)
    await loan.does("/repayments", "2026-02-01", {"amount": "106.62", "reference": "=1+1<b>"})
    path = loan.path + "/statement?to=2026-02-28"
    table = await lender.get(path, accept="text/csv")
    assert table.headers["content-type"] == "text/csv; charset=utf-8"
    rows = list(csv.DictReader(StringIO(table.text)))
    assert [row["event_type"] for row in rows] == ["opening", "disbursed", "repaid", "closing"]
    assert rows[2]["reference"] == "'=1+1<b>"
    assert rows[3]["balance"] == "1105.38"
    page = await lender.get(path, accept="text/html")
    assert page.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "=1+1&lt;b&gt;" in page.text
    assert "1105.38" in page.text
    schedule = await lender.get(loan.path + "/schedule", accept="text/csv")
    assert len(list(csv.DictReader(StringIO(schedule.text)))) == 12
    problem(await lender.get(path, accept="image/png"), 406, "not_acceptable")


async def test_a_rehearsal_previews_every_changed_allocation_and_records_nothing(
    lender: Api,
) -> None:
    loan = await running(lender)
    await loan.does("/repayments", "2026-03-01", {"amount": "106.62"})
    count = lender.count()
    preview = await loan.does("/repayments?dry_run=true", "2026-02-01", {"amount": "106.62"})
    assert data(preview)["booking"]["reallocated"][0]["version"] == 6
    assert lender.count() == count
    done = await loan.does("/repayments", "2026-02-01", {"amount": "106.62"})
    assert data(done) == data(preview)


async def test_a_new_rate_lies_inside_the_bounds_of_the_product_the_loan_is_of(
    lender: Api,
) -> None:
    """Of the version whose terms it has, though it is withdrawn and another bounds differently."""
    narrow = {**PRODUCT, "name": "narrow", "rate_percent_min": "5", "rate_percent_max": "20"}
    await lender.post("/products", narrow)
    loan, boarded = await accepted(lender, product="narrow"), await accepted(lender)
    await loan.does("/disbursements", "2026-01-01", {})
    board = {"product": "narrow", "principal": "800.00", "paid_through": "2026-01-01"}
    await boarded.does("/boarding", "2026-01-01", board)
    await lender.post("/products", {**narrow, "version": "2", "rate_percent_max": "30"})
    await lender.post("/products/narrow/versions/1/withdrawal", {"reason": "replaced"})
    for one in (loan, boarded):
        for rate in ("4.99", "20.01"):
            refused = await one.tries("/terms/rate", "2026-01-10", {"rate_percent": rate})
            body = problem(refused, 409, "terms_not_possible")
            bounds = "narrow 1 has at least 5 and at most 20"
            assert f"(rate_outside_bounds: {bounds})" in body["detail"]
        await one.does("/terms/rate", "2026-01-10", {"rate_percent": "20"})


async def test_refinancing_is_recorded_on_both_loans_or_on_neither(lender: Api) -> None:
    old, new = await running(lender), await accepted(lender, "2000.00")
    into = {"into": new.path.rpartition("/")[2]}
    small = await accepted(lender, "1000.00")
    refused = await old.tries("/refinancing", "2026-02-01", {"into": small.path[-36:]})
    problem(refused, 409, "refinancing_too_small")
    answer = await old.does("/refinancing", "2026-02-01", into, key="refi")
    assert answer["status"] == "refinanced"
    owed = Decimal(data(answer)["amount"])
    paid_out = (await new.reads("/events?after=4"))["items"][0]["data"]
    assert Decimal(paid_out["refinanced"]) == owed
    assert Decimal(paid_out["paid_out"]) == 2000 - owed
    assert paid_out["refinances"] == old.path[-36:]
    assert (await new.reads())["status"] == "active"
    again = await old.tries("/refinancing", "2026-02-01", into, key="refi")
    assert again.headers["idempotency-replayed"] == "true"
    assert again.json()["events"] == answer["events"]


async def test_two_payments_at_once_are_both_counted_and_one_twice_is_counted_once(
    lender: Api,
) -> None:
    loan = await running(lender)
    sent = [
        loan.tries("/repayments", "2026-02-01", {"amount": "10.00"}, key=f"k{n % 10}")
        for n in range(20)
    ]
    answers = await asyncio.gather(*sent)
    assert [answer.status_code for answer in answers] == [200] * 20
    statement = await loan.reads("/statement?to=2026-02-01")
    assert len([one for one in statement["movements"] if one["event_type"] == "repaid"]) == 10


async def test_every_kind_of_transaction_can_be_issued(lender: Api) -> None:  # noqa: PLR0915 whole lives
    issued: set[str] = set()

    async def does(loan: Loan, suffix: str, on: str, body: Any = None) -> None:
        answer = await loan.does(suffix, on, body)
        issued.update(event["event_type"] for event in answer["events"])

    loan = await accepted(lender)
    await does(loan, "/offers/1/redisclosure", "2026-01-02", {"disburse_on": "2026-01-05"})
    await does(loan, "/disbursements", "2026-01-05", {"amount": "700.00"})
    await does(loan, "/disbursements", "2026-01-06", {"amount": "500.00"})
    await does(loan, "/transactions/7/reversal", "2026-01-06", {"reason": "mistake"})
    await does(loan, "/charges", "2026-01-07", {"kind": "penalty", "amount": "5.00"})
    await does(loan, "/charges/9/waiver", "2026-01-08")
    await does(loan, "/transactions/10/reversal", "2026-01-08", {"reason": "mistake"})
    await does(loan, "/terms/due-date", "2026-01-09", {"due_on": "2026-02-05", "to": "2026-02-10"})
    await does(loan, "/terms/rate", "2026-01-10", {"rate_percent": "9"})
    await does(loan, "/terms/extension", "2026-01-11", {"instalments": 3})
    await does(loan, "/terms/pause", "2026-01-12", {"instalments": 1})
    await does(loan, "/terms/forgiveness", "2026-01-13", {"amount": "50.00"})
    await does(loan, "/delinquency/pause", "2026-01-14", {"until": "2026-02-01"})
    await does(loan, "/delinquency/resumption", "2026-01-15")
    await does(loan, "/day-close", "2026-01-31")
    await does(loan, "/interest-waivers", "2026-03-20", {"amount": "1.00"})
    await does(loan, "/terms/capitalisation", "2026-04-20")
    await does(loan, "/terms/re-amortisation", "2026-05-20")
    await does(loan, "/repayments", "2026-05-21", {"amount": "2000.00"})
    await does(loan, "/credit-refunds", "2026-05-22", {"amount": "100.00"})
    paid = (await loan.reads("/statement?to=2026-05-21"))["movements"][-1]["version"]
    await does(loan, f"/transactions/{paid}/charge-back", "2026-05-23", {"amount": "2000.00"})
    aging = {"first_due_on": "2026-07-01", "instalments": 6}
    await does(loan, "/terms/re-aging", "2026-05-24", aging)
    await does(loan, "/repayments", "2026-05-25", {"amount": "20.00"})
    version = (await loan.reads())["version"]
    reversal = {"reason": "returned_unpaid", "text": "no funds"}
    await does(loan, f"/transactions/{version}/reversal", "2026-05-26", reversal)
    await does(loan, "/charge-off", "2026-05-27")
    await does(loan, "/charge-off/undoing", "2026-05-28")
    await does(loan, "/write-off", "2026-05-29", {"text": "insolvent"})
    await does(loan, "/recoveries", "2026-06-30", {"amount": "10.00"})
    settled = await running(lender)
    await does(settled, "/settlement", "2026-02-03", {"amount": "500.00"})
    moved = await running(lender)
    await does(moved, "/transfer", "2026-02-03", {"to": "another", "price": "1000.00"})
    closed = await running(lender)
    quote = await closed.reads("/payoff-quote?on=2026-02-03")
    await does(closed, "/repayments", "2026-02-03", {"amount": quote["total"], "kind": "payoff"})
    await does(closed, "/closing", "2026-02-03")
    boarded = await accepted(lender)
    board = {"product": "personal-loan", "principal": "800.00", "paid_through": "2026-01-01"}
    await does(boarded, "/boarding", "2026-01-01", board)
    old, new = await running(lender), await accepted(lender, "3000.00")
    await does(old, "/refinancing", "2026-02-01", {"into": new.path[-36:]})
    bare = await lender.applied(amount="1200.00", term_months=None)
    bare_loan = Loan(lender, bare)
    for suffix, body in (
        ("/decision", {"outcome": "approved"}),
        ("/offers", {"amount": "1200.00"}),
        ("/offers/1/acceptance", None),
        ("/disbursements", None),
    ):
        key = {"Idempotency-Key": uuid4().hex}
        assert (await lender.post(bare + suffix, body, headers=key)).status_code == 200
    answer = await lender.post(bare + "/loan-terms", {"product": "personal-loan"})
    assert answer.status_code == 200, answer.text
    issued |= {event["event_type"] for event in answer.json()["events"]}
    assert (await bare_loan.reads("/schedule"))["balances"]["principal"] == "1200.00"
    assert {kind.stored_as for kind in SERVICING_EVENTS} <= issued | {"redisclosed"}


BAD: Final[list[tuple[str, Any, int, str]]] = [
    ("/repayments", {"amount": 0}, 409, "amount_not_positive"),
    ("/repayments", {"amount": -5}, 409, "amount_not_positive"),
    ("/repayments", {"amount": "0.001"}, 409, "amount_too_fine"),
    ("/repayments", {"amount": "1e3"}, 422, "invalid_request"),
    ("/repayments", {"amount": 10**15}, 422, "invalid_request"),
    ("/repayments", {"amount": "999999999999999.99"}, 409, "amount_implausible"),
    ("/repayments", {"amount": "5", "currency": "EUR"}, 409, "currency_differs"),
    ("/repayments", {"amount": "5", "kind": "gift"}, 422, "invalid_request"),
    ("/repayments", {"amount": "5", "kind": "recovery"}, 409, "kind_not_allowed"),
    ("/repayments", {"amount": "5", "reference": "a\u0000b"}, 400, "malformed_json"),
    ("/repayments", {"amount": True}, 422, "invalid_request"),
    ("/repayments", None, 422, "invalid_request"),
    ("/transactions/5/reversal", {"reason": "mistake"}, 200, ""),
    ("/transactions/4/reversal", {"reason": "mistake"}, 409, "transaction_unknown"),
    ("/transactions/0/reversal", {"reason": "mistake"}, 422, "invalid_request"),
    ("/transactions/x/reversal", {"reason": "mistake"}, 422, "invalid_request"),
    ("/transactions/99999999999/reversal", {"reason": "mistake"}, 422, "invalid_request"),
    ("/transactions/5/reversal", {"reason": "because"}, 422, "invalid_request"),
    ("/transactions/5/charge-back", {}, 409, "not_a_payment"),
    ("/terms/rate", {"rate_percent": "-1"}, 409, "rate_negative"),
    ("/terms/rate", {"rate_percent": "10000"}, 422, "invalid_request"),
    ("/terms/extension", {"instalments": 0}, 422, "invalid_request"),
    ("/terms/extension", {"instalments": 1200}, 409, "too_many_instalments"),
    ("/terms/due-date", {"due_on": "2026-02-30", "to": "2026-03-01"}, 422, "invalid_request"),
    ("/terms/due-date", {"due_on": "2026-02-01", "to": "2626-03-01"}, 409, "date_out_of_range"),
    ("/refinancing", {"into": "00000000-0000-7000-8000-000000000000"}, 409, "refinancing_unknown"),
    ("/settlement", {"amount": "1200.00"}, 409, "nothing_to_settle"),
    ("/closing", None, 409, "balance_not_zero"),
]


@pytest.mark.parametrize(("suffix", "body", "status", "code"), BAD)
async def test_bad_input_is_said_clearly_and_nothing_is_recorded(
    lender: Api, suffix: str, body: Any, status: int, code: str
) -> None:
    loan = await running(lender)
    if status == 200:
        await loan.does(suffix, "2026-01-01", body)
        return
    before = lender.count()
    problem(await loan.tries(suffix, "2026-01-01", body), status, code)
    assert lender.count() == before
    problem(
        await loan.tries("/repayments", "2025-12-31", {"amount": 5}),
        409,
        "effective_before_application",
    )


@pytest.mark.parametrize(
    ("suffix", "status", "code"),
    [
        ("/schedule?effective_on=2025-12-31", 422, "day_out_of_range"),
        ("/schedule?effective_on=2925-12-31", 422, "day_out_of_range"),
        ("/statement?from=2026-02-01&to=2026-01-15", 422, "day_out_of_range"),
        ("/payoff-quote?on=2025-12-31", 422, "day_out_of_range"),
        ("/payoff-quote?on=2999-12-31", 422, "day_out_of_range"),
        ("/schedule?version=4", 404, "loan_not_found"),
        ("/schedule?version=99", 404, "moment_not_found"),
    ],
)
async def test_what_cannot_be_read_is_said(
    lender: Api, suffix: str, status: int, code: str
) -> None:
    loan = await running(lender)
    problem(await lender.get(loan.path + suffix), status, code)


async def test_what_moves_money_needs_a_key(lender: Api) -> None:
    loan = await running(lender)
    for kind in s.MOVES_MONEY:
        (route,) = [route for route in ROUTES if route.command is kind]
        path = route.path.format(application_id=loan.path[-36:], version=5)
        body = body_of(EXAMPLES[kind])
        problem(await lender.post(path, body), 400, "key_required")


EXAMPLES: Final[dict[type[Any], Any]] = {
    s.Board: s.Board(
        product="personal-loan",
        principal=Decimal(1),
        paid_through=date(2026, 1, 1),
    ),
    s.Reverse: s.Reverse(version=5, reason=s.ReversalReason.MISTAKE),
    s.Repay: s.Repay(amount=Decimal(1)),
    s.Recover: s.Recover(amount=Decimal(1)),
    s.ChargeBack: s.ChargeBack(version=5),
    s.RefundCredit: s.RefundCredit(),
    s.AssessCharge: s.AssessCharge(kind=s.ChargeKind.FEE, amount=Decimal(1)),
    s.Settle: s.Settle(amount=Decimal(1)),
    s.Refinance: s.Refinance(into=uuid4()),
    s.Transfer: s.Transfer(to="x"),
}
