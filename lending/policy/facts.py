"""What credit policies see: the fact schema, and the facts of an application by it.

A fact is an integer (minor units of the application's currency, basis points, counts), a text or a
boolean, never a float. A schema never changes once a policy was published by it: what is different
gets another number.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import Final

from lending.domain.application.circumstances import FactsMissing
from lending.domain.application.state import Application
from lending.domain.fields import ERASED, FactValue
from lending.domain.money import MINOR_UNIT_DIGITS

FACT_SCHEMA: Final = 1
"""The version of the fact schema that policies are published by."""

INTEGER_MAX: Final = 2**64 - 1
"""The largest integer that the engine takes."""
TEXT_MAX_CHARACTERS: Final = 500
"""The longest text that is a fact."""
BASIS_POINTS: Final = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One fact: its type and unit, from what of an application it comes, and whether it is personal.

    `given_as` names what to give an application that lacks it, `held_in` the field of an application
    that holds a personal one.
    """

    name: str
    kind: type[int] | type[str] | type[bool]
    meaning: str
    given_as: str
    of: Callable[[Application], FactValue | None]
    held_in: str | None = None

    @property
    def personal(self) -> bool:
        """Whether it tells something about a person."""
        return self.held_in is not None

    def erased(self, application: Application) -> bool:
        """Whether it was given, and is gone with the key of its person."""
        return self.held_in is not None and getattr(application, self.held_in) is ERASED


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """The facts that a policy needs of an application; the personal ones apart."""

    open: Mapping[str, FactValue]
    personal: Mapping[str, FactValue]

    @property
    def all(self) -> dict[str, FactValue]:
        """All of them together, as a policy sees them."""
        return {**self.open, **self.personal}


def facts_of(application: Application, names: Iterable[str]) -> Facts | FactsMissing:
    """The named facts of an application, or what it lacks for them, each named once.

    A personal fact that was erased is lacking too. The names are in the schema.
    """
    found = {name: SCHEMA[name].of(application) for name in names}
    missing = dict.fromkeys(SCHEMA[name].given_as for name, value in found.items() if value is None)
    if missing:
        return FactsMissing(tuple(missing))
    known = {name: value for name, value in found.items() if value is not None}
    return Facts(
        open={name: value for name, value in known.items() if not SCHEMA[name].personal},
        personal={name: value for name, value in known.items() if SCHEMA[name].personal},
    )


def erased_facts(application: Application, names: Iterable[str]) -> tuple[str, ...]:
    """Those of the named facts that are gone with the key of their person."""
    return tuple(name for name in names if SCHEMA[name].erased(application))


def wrong_fact(name: str, value: object) -> str | None:
    """Why `value` cannot be the fact `name`, if it cannot."""
    if name not in SCHEMA:
        return "is not in the fact schema"
    kind = SCHEMA[name].kind
    if type(value) is not kind:
        return f"must be {KINDS[kind]}"
    if isinstance(value, int) and not -INTEGER_MAX <= value <= INTEGER_MAX:
        return "is out of range"
    if isinstance(value, str) and len(value) > TEXT_MAX_CHARACTERS:
        return f"has more than {TEXT_MAX_CHARACTERS} characters"
    return None


KINDS: Final[Mapping[type, str]] = MappingProxyType(
    {int: "an integer", str: "a text", bool: "true or false"}
)
"""The types of facts in words."""


def in_minor_units(amount: Decimal, currency: str) -> int:
    """An amount in the currency's digits as a whole number of its minor units."""
    return int(amount.scaleb(MINOR_UNIT_DIGITS[currency]))


def from_minor_units(amount_minor: int, currency: str) -> Decimal:
    """The same back: the amount with exactly the currency's digits."""
    return Decimal(amount_minor).scaleb(-MINOR_UNIT_DIGITS[currency])


def _income(application: Application) -> int | None:
    income = application.income
    if not isinstance(income, Decimal):
        return None
    return in_minor_units(income, application.currency)


def _score_position(application: Application) -> int | None:
    """Where the score lies between the ends of its range, rounded down to a basis point."""
    score = application.score
    if score is None or score.low is None or score.high is None or score.low == score.high:
        return None
    return int((score.score - score.low) * BASIS_POINTS // (score.high - score.low))


def _of_score(
    read: Callable[[Application], FactValue],
) -> Callable[[Application], FactValue | None]:
    return lambda application: None if application.score is None else read(application)


def _joined(names: Iterable[str]) -> str:
    return ",".join(sorted(names))[:TEXT_MAX_CHARACTERS]


_ALL: Final = (
    Fact(
        name="amount_minor", kind=int, given_as="amount",
        meaning="the amount of credit requested, in minor units of the currency",
        of=lambda one: in_minor_units(one.amount, one.currency),
    ),
    Fact(
        name="currency", kind=str, given_as="currency",
        meaning="the currency of every amount, by ISO 4217",
        of=lambda one: one.currency,
    ),
    Fact(
        name="minor_units_per_unit", kind=int, given_as="currency",
        meaning="minor units in one unit of the currency: 100 for USD, 1 for JPY",
        of=lambda one: 10 ** MINOR_UNIT_DIGITS[one.currency],
    ),
    Fact(
        name="term_months", kind=int, given_as="term_months",
        meaning="the term requested, in months",
        of=lambda one: one.term_months,
    ),
    Fact(
        name="income_monthly_minor", kind=int, given_as="income", held_in="income",
        meaning="the applicant's monthly income, in minor units of the currency",
        of=_income,
    ),
    Fact(
        name="applicants_count", kind=int, given_as="applicant_id",
        meaning="how many people apply together, the applicant included",
        of=lambda one: 1 + len(one.co_applicants),
    ),
    Fact(
        name="credit_kind", kind=str, given_as="credit_kind",
        meaning="`consumer` or `business`",
        of=lambda one: one.credit_kind.value,
    ),
    Fact(
        name="score_model", kind=str, given_as="score",
        meaning="the model of the latest score",
        of=_of_score(lambda one: "" if one.score is None else one.score.model),
    ),
    Fact(
        name="score_model_version", kind=str, given_as="score",
        meaning="the version of that model",
        of=_of_score(lambda one: "" if one.score is None else one.score.model_version),
    ),
    Fact(
        name="score_millionths", kind=int, given_as="score",
        meaning="the latest score on the model's own scale, in millionths: 712.5 is 712500000",
        of=_of_score(lambda one: 0 if one.score is None else int(one.score.score.scaleb(6))),
    ),
    Fact(
        name="score_bps", kind=int, given_as="score with its range",
        meaning="where the latest score lies between the ends of its range, in basis points"
        " rounded down: 0 is the low end, 10000 the high end",
        of=_score_position,
    ),
    Fact(
        name="score_stale", kind=bool, given_as="score",
        meaning="whether the application was amended after the latest score",
        of=_of_score(lambda one: one.score is not None and one.score.stale),
    ),
    Fact(
        name="status", kind=str, given_as="amount",
        meaning="where the application stands when it is decided: `pending`, `referred` and so on",
        of=lambda one: one.status.value,
    ),
    Fact(
        name="stage", kind=str, given_as="amount",
        meaning="what the application waits for: `intake`, `assessment` and so on",
        of=lambda one: one.stage.value,
    ),
    Fact(
        name="outstanding_count", kind=int, given_as="amount",
        meaning="how many items of information are outstanding",
        of=lambda one: len(one.outstanding),
    ),
    Fact(
        name="outstanding", kind=str, given_as="amount",
        meaning="these items in alphabetical order, with commas between, the first 500 characters",
        of=lambda one: _joined(one.outstanding),
    ),
    Fact(
        name="context_kinds", kind=str, given_as="amount",
        meaning="the kinds of context on file in alphabetical order, with commas between",
        of=lambda one: _joined(kind.value for kind in one.context_kinds),
    ),
    Fact(
        name="verification_stage", kind=str, given_as="context of the kind verification",
        meaning="the stage that the verification has reached, as it was given",
        of=lambda one: one.verification_stage,
    ),
    Fact(
        name="offers_open_count", kind=int, given_as="amount",
        meaning="how many offers are open",
        of=lambda one: len(one.open_offers()),
    ),
    Fact(
        name="offer_accepted", kind=bool, given_as="amount",
        meaning="whether the applicant has accepted an offer that stands",
        of=lambda one: one.accepted_offer_id is not None,
    ),
)  # fmt: skip

SCHEMA: Final[Mapping[str, Fact]] = MappingProxyType({fact.name: fact for fact in _ALL})
"""Every fact of version 1 of the schema, by name."""
