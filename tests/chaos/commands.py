"""The commands that clients issue: a mix in which every kind comes up, most of them on few applications.

What belongs here: paths, bodies and chances. Whether a command holds is the ledger's affair: many of
these are refused, which is an answer like any other.
"""

import random
from collections.abc import Callable
from typing import NamedTuple

from tests.chaos.records import Json


class Kind(NamedTuple):
    """A kind of command: its path behind the application's, its weight, its body."""

    path: str
    weight: int
    body: Callable[[random.Random], Json | None]
    needs_key: bool = False


def _note(chance: random.Random) -> Json:
    return {"text": f"note {chance.randrange(10**9)}", "topic": "calls"}


def _score(chance: random.Random) -> Json:
    return {"model": "credit-risk", "model_version": "2026-10", "score": chance.randrange(300, 850)}


def _decision(chance: random.Random) -> Json | None:
    rejected: Json = {"outcome": "rejected", "reasons": ["excessive_obligations"]}
    return chance.choice([None, None, {"outcome": "approved"}, {"outcome": "referred"}, rejected])


KINDS = (
    Kind("/notes", 40, _note),
    Kind("/context", 12, lambda _: {"kind": "verification", "stage": "income"}),
    Kind("/score", 10, _score),
    Kind("/decision", 10, _decision),
    Kind("/amendments", 5, lambda c: {"amount": c.randrange(1_000, 9_000)}),
    Kind("/holds", 4, lambda _: {"kind": "fraud"}),
    Kind("/holds/fraud/release", 5, lambda _: {}),
    Kind("/offers", 8, lambda c: {"amount": c.randrange(500, 9_000), "rate_percent": "7.25"}),
    Kind("/offers/1/acceptance", 5, lambda _: {}),
    Kind("/offers/2/acceptance", 3, lambda _: {}),
    Kind("/offers/1/withdrawal", 2, lambda _: {}),
    Kind("/disbursements", 4, lambda _: {}, needs_key=True),
    Kind("/information-requests", 3, lambda _: {"items": ["proof_of_income"]}),
    Kind("/information", 3, lambda _: {"items": ["proof_of_income"]}),
    Kind("/override", 1, lambda _: {"outcome": "approved", "justification": "valued again"}),
)
ENDINGS = (
    Kind("/withdrawal", 1, lambda _: {}),
    Kind("/closure", 1, lambda _: {"closed_as": "expired"}),
)
"""Kinds that end an application; never sent to the shared ones, which must live on."""


def application(chance: random.Random) -> Json:
    """The body of an apply."""
    return {
        "applicant_id": f"cust_{chance.randrange(10**6)}",
        "amount": chance.randrange(1_000, 50_000),
        "term_months": 36,
        "income": chance.randrange(1_500, 9_000),
        "purpose": "a used car",
        "reference": f"branch-7/{chance.randrange(10**9)}",
    }


def kind(chance: random.Random, *, may_end: bool) -> Kind:
    """A kind of command, by weight."""
    kinds = (*KINDS, *ENDINGS) if may_end else KINDS
    return chance.choices(kinds, [one.weight for one in kinds])[0]
