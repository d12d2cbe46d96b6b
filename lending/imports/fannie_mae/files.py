"""Reading the files of acquisitions and of monthly performance: lines to mortgages.

Pipe-separated, without a header, plain or gzip-compressed; the layout of 2012 to 2020, with 25 and 31
fields. A month is counted as twelve times its year and its number from 0, so that months can be
subtracted.
"""

import gzip
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from itertools import groupby
from pathlib import Path
from types import MappingProxyType
from typing import Final

from lending.imports.errors import MalformedLine, UnreadableFile

ACQUISITION_FIELDS: Final = 25
PERFORMANCE_FIELDS: Final = 31
PROCEEDS: Final[Mapping[int, str]] = MappingProxyType(
    {
        22: "net_sale_proceeds",
        23: "credit_enhancement_proceeds",
        24: "repurchase_make_whole",
        25: "other_foreclosure_proceeds",
    }
)
"""The fields of what came in after the end of a loan."""

Line = tuple[int, list[str]]


@dataclass(frozen=True, slots=True)
class Month:
    """A mortgage at the end of a month; without `balance` where the file does not tell it.

    `remaining` are the months to maturity, `delinquency` those past due, `ended` the code by which
    the loan left, `proceeds` what came in then, by the name of its field.
    """

    month: int
    rate: Decimal
    balance: Decimal | None
    remaining: int | None
    delinquency: int | None
    modified: bool
    ended: str | None
    proceeds: tuple[tuple[str, Decimal], ...] = ()


@dataclass(frozen=True, slots=True)
class Mortgage:
    """A mortgage as it was acquired, with its months in order. `amount` is rounded to $1,000."""

    name: str
    rate: Decimal
    amount: Decimal
    term: int
    originated: int
    first_due: int
    months: tuple[Month, ...]


def first_of(month: int) -> date:
    """The first day of a month."""
    return date(month // 12, month % 12 + 1, 1)


def read_mortgages(acquisition: Path, performance: Path) -> Sequence[Mortgage]:
    """The mortgages that have months, in the order of the file of performance.

    Raises `UnreadableFile` and `MalformedLine`.
    """
    acquired = {line[1][0]: line for line in _lines(acquisition, ACQUISITION_FIELDS)}
    found = []
    for name, group in groupby(_lines(performance, PERFORMANCE_FIELDS), lambda line: line[1][0]):
        lines = list(group)
        if name not in acquired:
            raise MalformedLine(performance, lines[0][0], f"{name} is not among the acquisitions")
        found.append(_mortgage(acquisition, acquired[name], performance, lines))
    if len({one.name for one in found}) < len(found):
        raise UnreadableFile(performance, "the months of a mortgage do not stand together")
    return found


def _lines(path: Path, fields: int) -> Iterator[Line]:
    try:
        with path.open("rb") as probe:
            packed = probe.read(2) == b"\x1f\x8b"
        with gzip.open(path, "rt") if packed else path.open() as file:
            for number, text in enumerate(file, 1):
                values = text.rstrip("\r\n").split("|")
                if len(values) != fields:
                    reason = f"{len(values)} fields instead of {fields}"
                    raise MalformedLine(path, number, reason)
                yield number, values
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise UnreadableFile(path, str(error)) from error


def _mortgage(acquisition: Path, line: Line, performance: Path, lines: list[Line]) -> Mortgage:
    number, values = line
    try:
        acquired = Mortgage(
            name=values[0],
            rate=Decimal(values[3]),
            amount=Decimal(values[4]),
            term=int(values[5]),
            originated=_month(values[6]),
            first_due=_month(values[7]),
            months=tuple(_months(performance, lines)),
        )
    except (ValueError, InvalidOperation) as error:
        raise MalformedLine(acquisition, number, str(error)) from error
    return acquired


def _months(path: Path, lines: list[Line]) -> Iterator[Month]:
    before = 0
    for number, values in lines:
        try:
            found = Month(
                month=_month(values[1]),
                rate=Decimal(values[3]),
                balance=_amount(values[4]),
                remaining=int(Decimal(values[6])) if values[6] else None,
                delinquency=int(values[10]) if values[10].isdigit() else None,
                modified=values[11] == "Y",
                ended=values[12] or None,
                proceeds=tuple(_proceeds(values)),
            )
        except (ValueError, InvalidOperation) as error:
            raise MalformedLine(path, number, str(error)) from error
        if found.month <= before:
            raise MalformedLine(path, number, "the months are not in order")
        before = found.month
        yield found


def _proceeds(values: list[str]) -> Iterator[tuple[str, Decimal]]:
    for place, name in PROCEEDS.items():
        amount = _amount(values[place])
        if amount is not None and amount > 0:
            yield name, amount


def _month(text: str) -> int:
    """A month from MM/YYYY, or from MM/DD/YYYY."""
    number, *_, year = text.split("/")
    if not 1 <= int(number) <= 12:
        raise ValueError(f"{text!r} is no month")
    return int(year) * 12 + int(number) - 1


def _amount(text: str) -> Decimal | None:
    return Decimal(text).quantize(Decimal("0.01")) if text else None
