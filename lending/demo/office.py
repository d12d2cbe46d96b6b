"""The agents at work: each follows the feed, looks at what moved, and does what it would do next.

Nobody is told what to do and nobody waits for anybody: the ledger's feed is all that connects them.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from types import MappingProxyType
from typing import Final

from rich.console import Console

from lending.demo.agents import Agent
from lending.demo.client import Ledger
from lending.demo.customers import STORIES, Customer
from lending.demo.view import View

FEED_ITEMS: Final = 200
WAIT: Final = MappingProxyType({"Prefer": "wait=5"})
STEPS_MAX: Final = 50
PAUSE_BETWEEN_APPLICATIONS_SECONDS: Final = 0.15


@dataclass(frozen=True, slots=True)
class Found:
    """An application of this demonstration, and whose it is."""

    application_id: str
    reference: str
    customer: Customer


@dataclass(slots=True)
class Office:
    """What is common to the agents of one demonstration; `run` names it in references and keys."""

    run: str
    applications: int
    today: Callable[[], date]
    console: Console
    finished: dict[str, Found] = field(default_factory=dict)
    all_finished: asyncio.Event = field(default_factory=asyncio.Event)

    def reference(self, number: int) -> str:
        """The applicants' own number for their application, counted from 0."""
        return f"{self.run}/{number + 1}"

    def customer_of(self, reference: str | None) -> Customer | None:
        """Whose application this is, if it is one of this demonstration."""
        run, _, number = (reference or "").rpartition("/")
        return STORIES[(int(number) - 1) % len(STORIES)] if run == self.run else None

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


async def apply(office: Office, ledger: Ledger, number: int) -> str:
    """Take one customer's application, counted from 0; returns its position."""
    customer = STORIES[number % len(STORIES)]
    reference = office.reference(number)
    body: dict[str, object] = {
        "applicant_id": f"cust_{number + 2002}",
        "amount": str(customer.amount),
        "term_months": customer.term_months,
        "income": str(customer.income),
        "purpose": customer.purpose,
        "reference": reference,
    }
    done, content = await ledger.command("/loan/applications", body, key=f"{reference}/apply")
    found = Found(str(content.get("application_id")), reference, customer)
    office.say(ledger.actor, found, f"{', '.join(done.event_types)} -> {done.status}")
    return str(content["position"])


async def apply_the_others(office: Office, ledger: Ledger) -> None:
    """Take all applications but the first, as they come in."""
    for number in range(1, office.applications):
        await asyncio.sleep(PAUSE_BETWEEN_APPLICATIONS_SECONDS)
        await apply(office, ledger, number)


def before(position: str) -> str:
    """The cursor that stands just before a position."""
    shard, _, number = position.partition(":")
    return f"{shard}:{int(number) - 1}"


async def work(office: Office, ledger: Ledger, agent: Agent, cursor: str) -> None:
    """Follow the feed from `cursor` on as one agent, until cancelled."""
    known: dict[str, Found] = {}
    while True:
        page = await ledger.get("/loan/events", headers=WAIT, after=cursor, limit=FEED_ITEMS)
        cursor = page["position"]
        moved = dict.fromkeys(event["application_id"] for event in page["items"])
        for event in page["items"]:
            if event["event_type"] == "applied":
                customer = office.customer_of(event["data"].get("reference"))
                if customer is not None:
                    application_id = event["application_id"]
                    reference = event["data"]["reference"]
                    known[application_id] = Found(application_id, reference, customer)
        for found in [known[application_id] for application_id in moved if application_id in known]:
            await look_after(office, ledger, agent, found)


async def look_after(office: Office, ledger: Ledger, agent: Agent, found: Found) -> None:
    """Do what the agent would do about one application, until it would do nothing more."""
    for _ in range(STEPS_MAX):
        seen = await look(ledger, found.application_id)
        step = agent(seen, found.customer, office.today())
        if step is None:
            office.note_finished(found, seen)
            return
        done, _ = await ledger.command(
            f"/loan/applications/{found.application_id}{step.path}",
            step.body,
            key=f"{found.reference}/{ledger.actor}/{seen.version}",
            version=seen.version,
        )
        if done.refused is not None:
            office.say(ledger.actor, found, f"{step.path[1:]}: {done.refused}, looks again")
        else:
            office.say(ledger.actor, found, f"{', '.join(done.event_types)} -> {done.status}")


async def look(ledger: Ledger, application_id: str) -> View:
    """One application, state and history at the same version."""
    path = f"/loan/applications/{application_id}"
    while True:
        history = await ledger.get(f"{path}/events", limit=1000)
        now = await ledger.get(path)
        if now["version"] == history["items"][-1]["version"]:
            allowed = frozenset(step["command"] for step in now["allowed_commands"])
            events = tuple(history["items"])
            return View(application_id, now["version"], now["status"], allowed, events)
