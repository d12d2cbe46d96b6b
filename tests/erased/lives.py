"""What becomes of applications: rejected, overridden, withdrawn, paid back, still open.

What belongs here: commands over HTTP, with what is personal wherever a command takes it.
"""

import random
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from types import MappingProxyType
from typing import Any, Final

from tests.api.served import APPLICATIONS, Api
from tests.api.test_servicing import PRODUCT
from tests.erased.persons import Person

Step = tuple[str, Any]
"""The end of a path, and what is sent there."""

MODEL: Final = {
    "name": "credit-risk", "version": "7", "artifact_digest": "ab" * 32, "owner": "risk",
    "valid_from": "2020-01-01",
}  # fmt: skip
SCORE: Final = {"model": "credit-risk", "model_version": "7", "artifact_digest": "ab" * 32}
APPROVED, REJECTED = 20_000_000, 900_000_000
"""Amounts that the built-in policy approves and rejects at the incomes of these persons."""


def rejected_by_policy(_: Person) -> Iterator[Step]:
    """On facts about the person."""
    yield "/decision", {}
    yield "/notices", {"kind": "adverse_action", "sent_on": "{today}", "channel": "letter"}


def rejected_by_hand(person: Person) -> Iterator[Step]:
    """For a reason in words."""
    words = {"other_reason": person.said("age of automobile"), "text": person.said("because")}
    yield (
        "/decision",
        {"outcome": "rejected", "reasons": ["excessive_obligations", "other"], **words},
    )


def withdrawn(person: Person) -> Iterator[Step]:
    """After being asked, held and released."""
    asked = {"items": ["proof_of_income"], "text": person.said("please send")}
    yield "/information-requests", asked
    yield "/information", {"items": ["proof_of_income"], "text": person.said("payslip of")}
    yield "/holds", {"kind": "fraud", "text": person.said("a stolen passport")}
    yield "/holds/fraud/release", {"text": person.said("it was found")}
    yield "/withdrawal", {"by": "applicant", "text": person.said("moves away")}


def left_incomplete(person: Person) -> Iterator[Step]:
    """What was asked for never came."""
    yield "/information-requests", {"items": ["proof_of_income"], "text": person.said("send")}
    yield "/closure", {"closed_as": "incomplete", "text": person.said("never answered")}


def refused_the_offer(person: Person) -> Iterator[Step]:
    """The applicant wanted another one."""
    yield "/decision", {}
    yield "/offers", {"amount": APPROVED, "rate_percent": 7.25}
    yield "/offers/1/refusal", {"text": person.said("too dear for")}
    yield "/withdrawal", {"by": "applicant"}


def counter_offered(person: Person) -> Iterator[Step]:
    """Less was offered than was applied for, and not taken."""
    said = {"amount": 9000, "reasons": ["excessive_obligations"], "text": person.said("less for")}
    yield "/decision", {"outcome": "counter_offered", **said}
    yield "/closure", {"closed_as": "expired", "text": person.said("not heard of")}


def paid_back(person: Person) -> Iterator[Step]:
    """Rejected, overridden, paid out, paid back."""
    yield "/decision", {}
    yield "/override", {"outcome": "approved", "justification": person.said("a guarantor of")}
    yield "/offers", {"amount": REJECTED, "product": PRODUCT["name"]}
    yield "/offers/1/acceptance", None
    yield "/disbursements", {}
    yield "/charges", {"kind": "fee", "amount": "10.00"}
    yield "/charge-off", {"text": person.said("bankruptcy of")}
    yield "/charge-off/undoing", {"text": person.said("another one than")}
    yield "/repayments", {"amount": "100.00", "channel": "sepa"}
    yield "/repayments", {"amount": "{payoff}", "kind": "payoff"}
    yield "/closing", {}


def open_(person: Person) -> Iterator[Step]:
    """Still to be decided."""
    yield "/amendments", {"purpose": person.said("rather a boat for")}


def has_co_applicant(number: int) -> bool:
    """Whether a person applies together with another."""
    return number % 4 == 0


Life = Callable[[Person], Iterator[Step]]
ENDED: Final[tuple[Life, ...]] = (
    rejected_by_policy, rejected_by_hand, withdrawn, left_incomplete, refused_the_offer,
    counter_offered, paid_back,
)  # fmt: skip
"""Those after which a person can be erased."""

NEXT: Final = 5
"""How far on the co-applicant of a person is."""

AMOUNTS: Final[Mapping[Life, int]] = MappingProxyType(
    {rejected_by_policy: REJECTED, paid_back: REJECTED}
)


@dataclass(slots=True)
class Carried:
    """An application that is carried on, a day at a time; and the day it is."""

    api: Api
    person: Person
    on: date
    path: str = ""

    async def does(self, end: str, body: Any) -> None:
        """The command holds."""
        answer = await self.tries(end, body)
        assert answer.status_code in (200, 201), (end, body, answer.text)
        self.path = self.path or str(answer.headers["location"])

    async def tries(self, end: str, body: Any, *, key: str = "", days: int = 1) -> Any:
        """A command of the next day."""
        self.on += timedelta(days=days)
        headers = {
            "lending-effective-at": f"{self.on}T12:00:00Z",
            "idempotency-key": key or f"{self.person.subject} {end} {self.on}",
        }
        return await self.api.post((self.path or APPLICATIONS) + end, body, headers=headers)

    async def payoff(self) -> str:
        """What is owed on the next day."""
        quote = await self.api.get(f"{self.path}/payoff-quote?on={self.on + timedelta(days=1)}")
        return str(quote.json()["total"])


async def carry(one: Carried, life: Life) -> AsyncIterator[bool]:
    """From its beginning to where it ends, a command at a time."""
    chance, number = random.Random(one.person.number), one.person.number
    other = Person(number + NEXT)
    joint = [{"applicant_id": other.subject, "income": str(other.income)}]
    applying = {
        "applicant_id": one.person.subject, "amount": AMOUNTS.get(life, APPROVED), "term_months": 12,
        "income": str(one.person.income), "purpose": one.person.said("a car for"),
        "reference": f"branch-7/{number}", "co_applicants": joint if has_co_applicant(number) else [],
    }  # fmt: skip
    person = one.person
    facts = {"name": person.name, "address": person.address, "email": person.email}
    called = chance.randrange(4, 9)
    intake: list[Step] = [
        ("", applying),
        ("/context", {"kind": "customer_context", "facts": facts}),
        *(("/notes", {"text": person.said("called"), "topic": f"{n}"}) for n in range(called)),
        ("/score", {**SCORE, "score": chance.randrange(300, 850)}),
    ]
    for end, body in (*intake, *life(person)):
        await one.does(end, await filled(one, body))
        yield True
        if end == "/score":
            await refused_for_its_words(one)
    await misuse(one)


async def refused_for_its_words(one: Carried) -> None:
    """A reason that is none, with what is personal beside it."""
    words = {"other_reason": one.person.said("internal standards, says"), "text": one.person.name}
    said = {"outcome": "rejected", "reasons": ["other"], **words}
    answer = await one.api.post(f"{one.path}/decision", said)  # of today: history may say so
    assert answer.json()["code"] == "reason_insufficient", answer.text


async def filled(one: Carried, body: Any) -> Any:
    """The body with what depends on the day."""
    if not isinstance(body, dict):
        return body
    if body.get("sent_on") == "{today}":
        return {**body, "sent_on": str(one.on + timedelta(days=1))}
    return {**body, "amount": await one.payoff()} if body.get("amount") == "{payoff}" else body


async def misuse(one: Carried) -> None:
    """What is refused, rehearsed, repeated or cannot be read, and must leave nothing either."""
    said, different = {"text": one.person.said("again")}, {"text": one.person.said("another")}
    key = f"{one.person.subject} again"
    for body, days, status in ((said, 1, 200), (said, 0, 200), (different, 0, 422)):
        assert (await one.tries("/notes", body, key=key, days=days)).status_code == status
    refused = {"outcome": "rejected", "reasons": [], "text": one.person.said("no reason")}
    assert (await one.tries("/decision", refused)).status_code >= 400
    assert (await one.tries("/notes?dry_run=true", different)).status_code == 200
    assert (await one.tries("/notes", {"note": one.person.said("typo")})).status_code == 422


async def carry_all(api: Api, applications: int) -> list[Carried]:
    """Applications side by side, a dozen at a time, always in the same order; a few stay open."""
    for path, body in (("/products", PRODUCT), ("/models", MODEL)):
        assert (await api.post(path, body)).status_code == 201
    chance = random.Random(applications)
    began = [date(2026, 1, 5) + timedelta(days=chance.randrange(120)) for _ in range(applications)]
    carried = [Carried(api, Person(number), on) for number, on in enumerate(began)]
    waiting = [carry(one, life_of(one.person.number)) for one in carried]
    while waiting:
        one = waiting[chance.randrange(min(len(waiting), 12))]
        if not await anext(one, False):
            waiting.remove(one)
    return carried


def life_of(number: int) -> Life:
    """What becomes of the application of a person."""
    return open_ if number % 12 == 1 else ENDED[number % len(ENDED)]
