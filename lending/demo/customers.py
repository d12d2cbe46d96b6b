"""The customers of the demonstration, all invented: what each asks for, is, and answers.

What stands here is the world outside the ledger: agents find it out by asking, a line at a time.
"""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Final


class Answer(StrEnum):
    """What a customer says to an offer."""

    ACCEPTS = "accepts"
    THINKS_BETTER_OF_IT = "thinks better of it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Customer:
    """A customer: the request, the facts that agents can learn, and the answer to any offer.

    `income` is monthly, in US dollars like `amount`. `score` is what the scoring model will say.
    `known` customers are offered terms before their papers are all in. `judged`: an agent or a
    person decides, not the policy, and that must be somebody else than who scored.
    """

    story: str
    amount: Decimal
    term_months: int
    income: Decimal
    purpose: str
    score: int
    known: bool = False
    judged: bool = False
    answer: Answer = Answer.ACCEPTS


STORIES: Final = (
    Customer(
        story="approved, and paid out",
        amount=Decimal(12_000),
        term_months=36,
        income=Decimal(6_500),
        purpose="a used car",
        score=712,
    ),
    Customer(
        story="rejected, and told why",
        amount=Decimal(60_000),
        term_months=60,
        income=Decimal(2_400),
        purpose="a boat",
        score=655,
    ),
    Customer(
        story="counter-offer, accepted",
        amount=Decimal(30_000),
        term_months=48,
        income=Decimal(6_000),
        purpose="a new roof",
        score=760,
        judged=True,
    ),
    Customer(
        story="withdrawn over the offer",
        amount=Decimal(8_000),
        term_months=24,
        income=Decimal(4_200),
        purpose="a wedding",
        score=690,
        answer=Answer.THINKS_BETTER_OF_IT,
    ),
    Customer(
        story="referred to a person, who approves",
        amount=Decimal(15_000),
        term_months=36,
        income=Decimal(5_100),
        purpose="a heat pump",
        score=618,
        judged=True,
    ),
    Customer(
        story="offer accepted before the approval",
        amount=Decimal(9_500),
        term_months=24,
        income=Decimal(7_300),
        purpose="dental work",
        score=745,
        known=True,
    ),
)
"""One customer a story; more applications go through the stories again."""

OF_ONE_PRINCIPAL: Final = tuple(story for story in STORIES if not story.judged)
"""The stories that one principal may carry through alone, where the ledger knows who asks."""

MOST_TELLING: Final = 4
"""The story whose timeline is told at the end: a referral and a person's override."""
