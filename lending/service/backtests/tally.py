"""Counting what a policy would have decided otherwise, and how much money: by outcome, reason, segment."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from lending.domain.application.commands import Outcome
from lending.policy import limits
from lending.service.backtests.cases import Case, segments


@dataclass(slots=True)
class Sum:
    """How many decisions, in all and by currency, and the credit that was asked for in them."""

    counts: dict[str, int] = field(default_factory=dict)
    amounts: dict[str, Decimal] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """How many in all."""
        return sum(self.counts.values())

    def add(self, case: Case) -> None:
        """Count a decision."""
        self.counts[case.currency] = self.counts.get(case.currency, 0) + 1
        amount = self.amounts.get(case.currency, Decimal(0)) + Decimal(case.amount)
        self.amounts[case.currency] = amount

    def told(self) -> dict[str, Any]:
        """As JSON."""
        amounts = {currency: f"{amount:f}" for currency, amount in sorted(self.amounts.items())}
        counts = dict(sorted(self.counts.items()))
        return {"count": self.count, "counts": counts, "amounts": amounts}


@dataclass(slots=True)
class Segment:
    """The decisions of one segment: those compared, and how they would have come out otherwise."""

    compared: Sum = field(default_factory=Sum)
    to_approved: Sum = field(default_factory=Sum)
    from_approved: Sum = field(default_factory=Sum)
    otherwise: Sum = field(default_factory=Sum)

    def add(self, case: Case) -> None:
        """Count a decision."""
        self.compared.add(case)
        if not case.flipped:
            return
        if case.answered == Outcome.APPROVED:
            self.to_approved.add(case)
        elif case.recorded == Outcome.APPROVED:
            self.from_approved.add(case)
        else:
            self.otherwise.add(case)

    def told(self) -> dict[str, Any]:
        """As JSON."""
        return {name: getattr(self, name).told() for name in self.__slots__}


def _sums() -> defaultdict[Any, Sum]:
    return defaultdict(Sum)


@dataclass(slots=True)
class Tally:
    """What was counted so far. `flips` are the decisions that would have been otherwise, as many as
    are kept; all are counted.
    """

    decisions: Sum = field(default_factory=Sum)
    compared: Sum = field(default_factory=Sum)
    flipped: Sum = field(default_factory=Sum)
    flips: list[Case] = field(default_factory=list)
    _recorded: defaultdict[str, Sum] = field(default_factory=_sums)
    _answered: defaultdict[str, Sum] = field(default_factory=_sums)
    _not_compared: defaultdict[tuple[str, str], Sum] = field(default_factory=_sums)
    _ways: defaultdict[tuple[str, str], Sum] = field(default_factory=_sums)
    _reasons: defaultdict[tuple[str, str, str], Sum] = field(default_factory=_sums)
    _segments: defaultdict[tuple[str, str], Segment] = field(
        default_factory=lambda: defaultdict(Segment)
    )

    def add(self, case: Case) -> None:
        """Count a decision."""
        self.decisions.add(case)
        if case.answered is None:
            self._not_compared[case.not_compared or "", case.detail].add(case)
            return
        self.compared.add(case)
        self._recorded[case.recorded].add(case)
        self._answered[case.answered].add(case)
        for segment in segments(case).items():
            self._segments[segment].add(case)
        if case.flipped:
            self._flip(case, case.answered)

    def _flip(self, case: Case, answered: str) -> None:
        self.flipped.add(case)
        self._ways[case.recorded, answered].add(case)
        for reason in case.reasons or case.recorded_reasons:
            self._reasons[case.recorded, answered, reason].add(case)
        if len(self.flips) < limits.BACKTEST_FLIPS_MAX:
            self.flips.append(case)

    def told(self) -> dict[str, Any]:
        """The sums as JSON, rows in the order of their names. A decision with several reasons is in
        the row of each.
        """
        return {
            "decisions": self.decisions.told(),
            "compared": self.compared.told(),
            "flipped": self.flipped.told(),
            "not_compared": _rows(("why", "detail"), self._not_compared),
            "recorded": _rows(("outcome",), {(k,): v for k, v in self._recorded.items()}),
            "answered": _rows(("outcome",), {(k,): v for k, v in self._answered.items()}),
            "flips": _rows(("from", "to"), self._ways),
            "by_reason": _rows(("from", "to", "reason"), self._reasons),
            "by_segment": _rows(("segment", "value"), self._segments),
            "flips_left_out": self.flipped.count - len(self.flips),
        }


def _rows(
    names: tuple[str, ...], found: Mapping[Any, Sum] | Mapping[Any, Segment]
) -> list[dict[str, Any]]:
    return [{**dict(zip(names, key, strict=True)), **found[key].told()} for key in sorted(found)]
