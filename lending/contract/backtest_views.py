"""Backtests as they are told: one with its result, its flips one by one, and both as tables."""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from lending.contract.positions import position_text
from lending.ledger.plain import decimal_text
from lending.service.backtests.cases import Case
from lending.service.backtests.store import BacktestRow, FlipRow

FLIP_COLUMNS: Final = (
    "position", "application_id", "version", "recorded", "answered", "currency", "amount", "reasons",
)  # fmt: skip
TABLE_COLUMNS: Final = ("table", "row", "count", "currency", "amount")


def backtest(row: BacktestRow) -> dict[str, Any]:
    """A backtest; `result` is null until it has ended."""
    return {
        "backtest_id": row.backtest_id,
        "policy": row.policy,
        "version": row.version,
        "digest": row.digest,
        "started_by": row.started_by,
        "started_at": row.started_at,
        "ended_at": row.ended_at,
        "state": row.state,
        "reason": row.reason,
        "progress": {"total": row.total, "gone_through": row.gone_through},
        "result": row.result,
    }


def flip(row: FlipRow) -> dict[str, Any]:
    """A decision that the policy would have made otherwise."""
    return {
        "position": position_text(row.shard, row.position),
        "application_id": row.application_id,
        "version": row.version,
        "recorded": row.recorded,
        "answered": row.answered,
        "currency": row.currency,
        "amount": row.amount,
        "reasons": row.reasons,
    }


def flips_csv(rows: Iterable[FlipRow]) -> bytes:
    """Flips as CSV, one a line; reasons have semicolons between."""
    return _csv(
        FLIP_COLUMNS,
        (
            (
                position_text(row.shard, row.position), row.application_id, row.version,
                row.recorded, row.answered, row.currency, decimal_text(row.amount),
                ";".join(row.reasons),
            )
            for row in rows
        ),
    )  # fmt: skip


def cases_csv(cases: Iterable[Case]) -> bytes:
    """The same of flips that are not kept."""
    return flips_csv(
        FlipRow(
            ordinal, case.shard, case.position, UUID(case.application_id), case.version,
            case.recorded, case.answered or "", case.currency, Decimal(case.amount),
            case.reasons or case.recorded_reasons,
        )
        for ordinal, case in enumerate(cases, 1)
    )  # fmt: skip


def result_csv(result: Mapping[str, Any]) -> bytes:
    """The sums of a result as CSV: a line for each sum and currency."""
    return _csv(TABLE_COLUMNS, (line for _, line in lines(result)))


def lines(result: Mapping[str, Any]) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """Every sum of a result: the table it belongs to, and its cells."""
    for table in ("decisions", "compared", "flipped"):
        yield from _sum(table, "all", result[table])
    for row in result["not_compared"]:
        yield from _sum("not_compared", _named(row, "why", "detail"), row)
    for table in ("recorded", "answered"):
        for row in result[table]:
            yield from _sum(table, row["outcome"], row)
    for row in result["flips"]:
        yield from _sum("flips", _named(row, "from", "to"), row)
    for row in result["by_reason"]:
        yield from _sum("by_reason", _named(row, "from", "to", "reason"), row)
    for row in result["by_segment"]:
        for name in ("compared", "to_approved", "from_approved", "otherwise"):
            if row[name]["count"]:
                segment = f"{row['segment']}: {row['value']}, {name}"
                yield from _sum("by_segment", segment, row[name])


def _named(row: Mapping[str, Any], *names: str) -> str:
    return ", ".join(f"{name} {row[name]}" for name in names if row[name])


def _sum(table: str, name: str, found: Mapping[str, Any]) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """A row for each currency, with what is counted of it; one without a currency where nothing is.

    What was kept before there were `counts` has a count of all, which is that of its one currency, or
    of none.
    """
    amounts = found["amounts"]
    counts = found.get(
        "counts", dict.fromkeys(amounts, found["count"] if len(amounts) == 1 else "")
    )
    for currency, amount in amounts.items():
        yield table, (table, name, counts[currency], currency, amount)
    if not amounts:
        yield table, (table, name, 0, "", "")


def _csv(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return text.getvalue().encode()
