"""What answers say of a loan: its lines, statements and quotes, as JSON, as CSV and as a page."""

import csv
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from html import escape
from io import StringIO
from typing import Any, Final

from lending.contract.pages import page, table
from lending.contract.positions import position_text
from lending.domain.identifiers import shard_of
from lending.domain.loan.book import Instalment, Sums
from lending.domain.loan.delinquency import Delinquency
from lending.domain.money import in_currency
from lending.domain.servicing.statement import (
    Balances,
    FellDue,
    Movement,
    PayoffQuote,
    Statement,
)
from lending.ledger.plain import decimal_text, plain
from lending.service.loans import Lines, LoanAt, OfferedLoan

COMPONENTS: Final = ("principal", "interest", "fees", "penalties")


def schedule(found: LoanAt, lines: Lines) -> dict[str, Any]:
    """The lines of a loan, with what is owed and the arrears."""
    said: dict[str, Any] = {
        "balances": _balances(lines.balances),
        "delinquency": _delinquency(lines.delinquency),
        "instalments": [_line(one) for one in lines.book.instalments],
    }
    return _told(found, said)


def offered(found: OfferedLoan) -> dict[str, Any]:
    """The loan that an offer would be, instalment by instalment."""
    said: dict[str, Any] = {
        "offer_id": found.offer.offer_id,
        "disburse_on": found.offer.disburse_on,
        "disclosed": plain(found.planned.disclosed),
        "instalments": [
            {
                "number": one.number,
                "kind": one.kind,
                "from": one.start,
                "due_on": one.due,
                "principal": one.principal,
                "interest": one.interest,
                "fees": one.fees,
                "total": one.payment,
                "balance": one.balance,
            }
            for one in found.planned.schedule.instalments
        ],
    }
    return _told(found, said)


def statement(found: LoanAt, said: Statement) -> dict[str, Any]:
    """A statement."""
    told: dict[str, Any] = {
        "opening": _balances(said.opening),
        "fell_due": [_fell_due(one) for one in said.fell_due],
        "movements": [_movement(one) for one in said.movements],
        "reversed": [
            {
                "version": one.version,
                "effective_on": one.effective_on,
                "event_type": one.event_type,
                "amount": one.amount,
                "reversed_by": one.reversed_by,
                "reversed_on": one.reversed_on,
            }
            for one in said.undone
        ],
        "closing": _balances(said.closing),
    }
    return _told(found, told)


def payoff_quote(found: LoanAt, quote: PayoffQuote) -> dict[str, Any]:
    """What pays a loan off on a day."""
    said: dict[str, Any] = {
        "on": quote.on,
        **_sums(quote.sums),
        "total": quote.sums.total,
        "credit": quote.credit,
        "more_a_day": quote.more_a_day,
    }
    return _told(found, said)


def _told(found: LoanAt | OfferedLoan, said: Mapping[str, Any]) -> dict[str, Any]:
    """What is said of a loan, behind which loan and which state of the record it is said of; every
    amount has its currency's digits.
    """
    aggregate = found.aggregate
    currency = aggregate.state.currency
    return {
        "application_id": found.application_id,
        "version": aggregate.version,
        "position": position_text(shard_of(found.application_id), aggregate.position),
        "currency": currency,
        **{name: _in_digits(value, currency) for name, value in said.items()},
    }


def _in_digits(value: Any, currency: str) -> Any:
    if isinstance(value, Decimal):
        return in_currency(value, currency)
    if isinstance(value, dict):
        return {name: _in_digits(one, currency) for name, one in value.items()}
    return [_in_digits(one, currency) for one in value] if isinstance(value, list) else value


def _balances(one: Balances) -> dict[str, Any]:
    return {
        "on": one.on,
        "status": one.status,
        "principal": one.principal,
        "due": _sums(one.due),
        "total_due": one.due.total,
        "overdue": one.overdue,
        "accrued_interest": one.accrued_interest,
        "credit": one.credit,
    }


def _delinquency(one: Delinquency) -> dict[str, Any]:
    return {
        "since": one.since,
        "past_due_days": one.past_due_days,
        "delinquent_days": one.delinquent_days,
        "amount": one.amount,
        "bucket": one.bucket,
    }


def _sums(sums: Sums) -> dict[str, Decimal]:
    return dict(zip(COMPONENTS, sums, strict=True))


def _line(one: Instalment) -> dict[str, Any]:
    return {
        "number": one.number,
        "kind": one.kind,
        "from": one.start,
        "due_on": one.due,
        "owed": _sums(one.owed),
        "paid": _sums(one.paid),
        "waived": _sums(one.waived),
        "written_off": _sums(one.written_off),
        "outstanding": one.outstanding,
        "balance": one.balance,
        "paid_in_advance": one.paid_in_advance,
        "paid_late": one.paid_late,
        "met_on": one.met_on,
    }


def _fell_due(one: FellDue) -> dict[str, Any]:
    return {
        "number": one.number,
        "version": one.version,
        "due_on": one.due,
        **_sums(one.owed),
        "total": one.owed.total,
        "unpaid": one.unpaid,
    }


def _movement(one: Movement) -> dict[str, Any]:
    allocation = one.allocation
    return {
        "version": one.version,
        "effective_on": one.effective_on,
        "event_type": one.event_type,
        "direction": one.direction,
        "kind": one.kind,
        "reference": one.reference,
        "charge": one.charge,
        "amount": one.amount,
        **_sums(allocation.sums),
        "principal_change": one.principal_change,
        "credit": allocation.credit,
        "recovered": allocation.recovered,
        "balance": allocation.balance,
        "allocation": [
            {"due_on": part.due, "component": part.component, "amount": part.amount}
            for part in allocation.portions
        ],
    }


# tables

_SCHEDULE_COLUMNS: Final = (
    "number", "kind", "from", "due_on",
    *(f"{part}_{name}" for part in ("owed", "paid", "waived", "written_off") for name in COMPONENTS),
    "outstanding", "balance", "paid_in_advance", "paid_late", "met_on",
)  # fmt: skip
_MOVEMENT_COLUMNS: Final = (
    "effective_on", "version", "number", "event_type", "direction", "kind", "reference", "amount",
    *COMPONENTS, "principal_change", "credit", "recovered", "balance", "charge", "unpaid", "reversed_by", "reversed_on",
)  # fmt: skip


def schedule_csv(said: Mapping[str, Any]) -> bytes:
    """The instalments of a schedule as CSV (RFC 4180), one line each."""
    return _csv(_SCHEDULE_COLUMNS, (_flat(one) for one in said["instalments"]))


def statement_csv(said: Mapping[str, Any]) -> bytes:
    """A statement as CSV, by day: what fell due, movements, and what was reversed, between a line for
    the opening and one for the closing, whose components are what is due.
    """
    opening, closing = (_balance_row(name, said[name]) for name in ("opening", "closing"))
    rows = [
        *(_due_row(one) for one in said["fell_due"]),
        *said["movements"],
        *({**one, "event_type": "reversed", "kind": one["event_type"]} for one in said["reversed"]),
    ]
    rows.sort(key=lambda row: row["effective_on"])
    return _csv(_MOVEMENT_COLUMNS, [opening, *rows, closing])


def _balance_row(name: str, one: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "effective_on": one["on"],
        "event_type": name,
        "amount": one["total_due"],
        **one["due"],
        "credit": one["credit"],
        "balance": one["principal"],
    }


def _due_row(one: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **one,
        "effective_on": one["due_on"],
        "event_type": "fell_due",
        "amount": one["total"],
    }


def _flat(line: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in line.items():
        if isinstance(value, Mapping):
            found |= {f"{name}_{part}": amount for part, amount in value.items()}
        else:
            found[name] = value
    return found


def _csv(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> bytes:
    written = StringIO()
    writer = csv.writer(written)
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_cell(row.get(name)) for name in columns])
    return written.getvalue().encode()


def _cell(value: Any) -> str:
    """A value as text; one that a spreadsheet would take for a formula is told to be text."""
    if value is None:
        return ""
    if isinstance(value, Decimal):
        return decimal_text(value)
    text = str(plain(value))
    return "'" + text if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


# a page


def statement_page(said: Mapping[str, Any]) -> bytes:
    """A statement as a page that prints on paper."""
    opening, closing = said["opening"], said["closing"]
    title = f"Statement of loan {said['application_id']}"
    movements = [
        (
            one["effective_on"], _named(one), one["amount"], one["principal"], one["interest"],
            one["fees"], one["penalties"], one["credit"], one["balance"],
        )
        for one in said["movements"]
    ]  # fmt: skip
    due = [
        (one["due_on"], _due_name(one), one["principal"], one["interest"], one["fees"], one["penalties"],
         one["total"], one["unpaid"])
        for one in said["fell_due"]
    ]  # fmt: skip
    undone = [
        (one["effective_on"], f"{one['event_type']}, version {one['version']}", one["amount"],
         f"version {one['reversed_by']} on {one['reversed_on']}")
        for one in said["reversed"]
    ]  # fmt: skip
    parts = [
        f"<h1>{escape(title)}</h1>",
        f"<p>{escape(said['currency'])}, {closing['status'] or 'not funded'}, from {opening['on']} (end of day) to"
        f" {closing['on']}. As on record at version {said['version']}, position"
        f" {escape(said['position'])}.</p>",
        _balance_table("Opening", opening),
        table("Fell due", ("due on", "what", *COMPONENTS, "total", "unpaid"), due),
        table(
            "Movements",
            ("on", "what", "amount", *COMPONENTS, "credit", "principal owed"),
            movements,
        ),
        table("Reversed", ("on", "what", "amount", "by"), undone) if undone else "",
        _balance_table("Closing", closing),
    ]
    return page(title, parts)


def _due_name(one: Mapping[str, Any]) -> str:
    number, version = one["number"], one["version"]
    return f"charge, version {version}" if number is None else f"instalment {number}"


def _named(one: Mapping[str, Any]) -> str:
    words = [one["event_type"].replace("_", " ")]
    if one["kind"] not in (None, "instalment"):
        words.append(f"({one['kind'].replace('_', ' ')})")
    if one["charge"] is not None:
        words.append(f"of charge {one['charge']}")
    if one["reference"]:
        words.append(one["reference"])
    return " ".join(words)


def _balance_table(name: str, one: Mapping[str, Any]) -> str:
    heads = ("on", "principal", "due", "overdue", "accrued interest", "credit")
    row = (
        one["on"], one["principal"], one["total_due"], one["overdue"], one["accrued_interest"],
        one["credit"],
    )  # fmt: skip
    return table(name, heads, [row])
