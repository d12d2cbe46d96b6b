"""The agents at work: each follows the feed, looks at what moved, and does what it would do next.

Nobody is told what to do and nobody waits for anybody: the ledger's feed is all that connects them.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Final

from rich.console import Console

from lending.client import Apply, AsyncLedgerClient, CommandAnswer, Conflict, Refused
from lending.demo.agents import Agent
from lending.demo.customers import STORIES, Customer
from lending.demo.view import View

STEPS_MAX: Final = 50
PAUSE_BETWEEN_APPLICATIONS_SECONDS: Final = 0.15


@dataclass(frozen=True, slots=True)
class Found:
    """An application of this demonstration, and whose it is."""

    application_id: str
    reference: str
    customer: Customer


@dataclass(frozen=True, slots=True)
class Desk:
    """Where one agent works: its name, and its own client of the ledger."""

    actor: str
    client: AsyncLedgerClient


@dataclass(slots=True)
class Office:
    """What is common to the agents of one demonstration; `run` names it in references and keys, and
    `stories` are the customers who come, over and over.
    """

    run: str
    applications: int
    today: Callable[[], date]
    console: Console
    stories: Sequence[Customer] = STORIES
    finished: dict[str, Found] = field(default_factory=dict)
    all_finished: asyncio.Event = field(default_factory=asyncio.Event)

    def reference(self, number: int) -> str:
        """The applicants' own number for their application, counted from 0."""
        return f"{self.run}/{number + 1}"

    def customer_of(self, reference: str | None) -> Customer | None:
        """Whose application this is, if it is one of this demonstration."""
        run, _, number = (reference or "").rpartition("/")
        return self.story(int(number) - 1) if run == self.run else None

    def story(self, number: int) -> Customer:
        """The customer of an application, counted from 0."""
        return self.stories[number % len(self.stories)]

    def say(self, actor: str, found: Found, words: str) -> None:
        """Print what an agent did."""
        self.console.print(f"{actor:<15} {found.reference:<22} {words}", highlight=False)

    def note_finished(self, found: Found, seen: View) -> None:
        """Note that an application is paid out, withdrawn, or rejected and told so."""
        told = seen.status == "rejected" and seen.noticed("adverse_action")
        if told or seen.status in ("active", "withdrawn"):
            self.finished[found.application_id] = found
        if len(self.finished) == self.applications:
            self.all_finished.set()


async def apply(office: Office, desk: Desk, number: int) -> str:
    """Take one customer's application, counted from 0; returns its position."""
    customer = office.story(number)
    reference = office.reference(number)
    asked = Apply(
        applicant_id=f"cust_{number + 2002}",
        amount=customer.amount,
        term_months=customer.term_months,
        income=customer.income,
        purpose=customer.purpose,
        reference=reference,
    )
    answer = await desk.client.apply(asked, key=f"{reference}/apply")
    found = Found(str(answer.application_id), reference, customer)
    office.say(desk.actor, found, _outcome(answer))
    return str(answer.position)


async def apply_the_others(office: Office, desk: Desk) -> None:
    """Take all applications but the first, as they come in."""
    for number in range(1, office.applications):
        await asyncio.sleep(PAUSE_BETWEEN_APPLICATIONS_SECONDS)
        await apply(office, desk, number)


def before(position: str) -> str:
    """The cursor that stands just before a position."""
    shard, _, number = position.partition(":")
    return f"{shard}:{int(number) - 1}"


async def work(office: Office, desk: Desk, agent: Agent, cursor: str) -> None:
    """Follow the feed from `cursor` on as one agent, until cancelled."""
    known: dict[str, Found] = {}
    async for event in desk.client.follow(cursor):
        application_id = str(event.application_id)
        if event.event_type == "applied":
            reference = event.data.get("reference")
            customer = office.customer_of(reference)
            if customer is not None:
                known[application_id] = Found(application_id, str(reference), customer)
        if application_id in known:
            await look_after(office, desk, agent, known[application_id])


async def look_after(office: Office, desk: Desk, agent: Agent, found: Found) -> None:
    """Do what the agent would do about one application, until it would do nothing more."""
    for _ in range(STEPS_MAX):
        seen = await look(desk.client, found.application_id)
        step = agent(seen, found.customer, office.today())
        if step is None:
            office.note_finished(found, seen)
            return
        try:
            answer = await desk.client.issue(
                step.command,
                found.application_id,
                key=f"{found.reference}/{desk.actor}/{seen.version}",
                if_match=seen.version,
            )
        except (Conflict, Refused) as moved_on:
            office.say(desk.actor, found, f"{step.name}: {moved_on.code}, looks again")
        else:
            office.say(desk.actor, found, _outcome(answer))


async def look(client: AsyncLedgerClient, application_id: str) -> View:
    """One application, state and history at the same version."""
    while True:
        events = tuple([event async for event in client.history(application_id)])
        now = await client.application(application_id)
        if now.version == events[-1].version:
            allowed = frozenset(step.command for step in now.allowed_commands)
            return View(application_id, now.version, now.status, allowed, events)


def _outcome(answer: CommandAnswer) -> str:
    return f"{', '.join(event.event_type for event in answer.events)} -> {answer.status}"
