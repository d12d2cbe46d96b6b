"""`lending subjects`: all that is on record of a person, legal holds, and erasure.

What is exported goes to stdout as JSON; what there is to know about it goes to stderr.
"""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated

import typer

from lending.cli.operators import acting
from lending.domain.subjects import HoldSubject, ReleaseSubject
from lending.runtime.settings import LogLevel, load_settings
from lending.runtime.telemetry import configure_logs
from lending.service import limits

if TYPE_CHECKING:
    from lending.service.ledger import Ledger
    from lending.service.registry_writing import Operator
    from lending.service.subjects import HoldAct

subjects = typer.Typer(no_args_is_help=True, help="Look after persons' data: hold, export, erase.")

Subject = Annotated[str, typer.Argument(help="The person, by the pseudonym in applications.")]
Reason = Annotated[str, typer.Option(help="Why, for the record; nothing personal.")]
Work = Callable[["Ledger", "Operator"], Awaitable[None]]

_TEXT_MAX = 500
_NAMED_MAX = 10


@subjects.command("list")
def list_() -> None:
    """The legal holds that stand, and the erasures under way."""

    async def work(ledger: "Ledger", _: "Operator") -> None:
        known = (await ledger.persons.office.standing()).subjects
        for subject, hold in sorted(known.holds.items()):
            print(f"{subject}  held since position {hold.position}: {hold.reason}")
        for subject, erasure in sorted(known.under_way.items()):
            applications = len(erasure.applications)
            at = f"at position {erasure.position}"
            print(f"{subject}  erasure under way {at}, in {applications} application(s)")
        if not (known.holds or known.under_way):
            print("no legal hold stands, and no erasure is under way")

    _run(work)


@subjects.command()
def hold(subject: Subject, reason: Reason) -> None:
    """Place a legal hold: while it stands the person's data are not erased."""
    command = HoldSubject(subject=_named(subject), reason=_text(reason))

    async def work(ledger: "Ledger", operator: "Operator") -> None:
        _say(await ledger.persons.office.hold(command, operator))

    _run(work)


@subjects.command()
def release(subject: Subject, reason: Reason) -> None:
    """Lift a legal hold."""
    command = ReleaseSubject(subject=_named(subject), reason=_text(reason))

    async def work(ledger: "Ledger", operator: "Operator") -> None:
        _say(await ledger.persons.office.release(command, operator))

    _run(work)


@subjects.command()
def export(subject: Subject, reason: Reason) -> None:
    """Everything on record of a person, as JSON: the events of each application, with positions.

    That it was given is put on record first. What is another person's is withheld.
    """
    named, why = _named(subject), _text(reason)

    async def work(ledger: "Ledger", operator: "Operator") -> None:
        position, found = await ledger.persons.exports.begin(named, why, operator)
        about = await ledger.persons.exports.about(named)
        head = {"subject": named, "ledger_id": str(ledger.identity.ledger_id), "record": about}
        sys.stdout.write(json.dumps(head, ensure_ascii=False)[:-1] + ', "applications": [')
        separator = "\n"
        async for one in ledger.persons.exports.applications(named, found):
            told = {
                "application_id": str(one.application_id),
                "erased": one.erased,
                "events": one.events,
            }
            sys.stdout.write(separator + json.dumps(told, ensure_ascii=False))
            separator = ",\n"
        sys.stdout.write("]}\n")
        at = f"on record at position {position}"
        print(f"{len(found)} application(s) of {named}, {at}", file=sys.stderr)

    _run(work)


@subjects.command()
def erase(
    subject: Subject,
    reason: Reason,
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would happen, and do nothing.")
    ] = False,
    wait: Annotated[
        int,
        typer.Option(min=0, max=86_400, help="Seconds to wait for the read models.", metavar="N"),
    ] = limits.ERASURE_WAIT_SECONDS,
) -> None:
    """Erase a person's data, or go on with an erasure that was broken off.

    Refused while a legal hold stands, while an application of theirs is undecided, a loan open, and
    until the retention time is over.
    """
    named, why = _named(subject), _text(reason)

    async def work(ledger: "Ledger", operator: "Operator") -> None:
        from lending.service.erasure import Outcome

        if dry_run:
            done = await ledger.persons.eraser.rehearse(named)
        else:
            done = await ledger.persons.eraser.erase(named, why, operator, patience_seconds=wait)
        words = {
            Outcome.ERASED: "is erased",
            Outcome.ALREADY_ERASED: "was erased already",
            Outcome.WOULD_ERASE: "would be erased",
        }
        print(f"{named} {words[done.outcome]}, in {len(done.applications)} application(s)")
        for application_id in done.applications:
            print(application_id)

    _run(work)


@subjects.command()
def reads(
    subject: Annotated[str | None, typer.Option(help="Only reads of this person's data.")] = None,
    principal: Annotated[str | None, typer.Option(help="Only reads by this principal.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many, newest first.")] = 100,
) -> None:
    """Which auditors read whose personal data, who took evidence with them away, and when."""

    async def work(ledger: "Ledger", _: "Operator") -> None:
        found = await ledger.access.page(
            subject=subject, principal=principal, before=None, limit=limit
        )
        for _, at, by, behalf, what, applications, of in found:
            who = by if behalf is None else f"{by} for {behalf}"
            whose = ", ".join(of[:_NAMED_MAX]) + (", ..." if len(of) > _NAMED_MAX else "")
            print(f"{at:%Y-%m-%d %H:%M:%S}Z  {who}  {what}  {applications} application(s)  {whose}")
        if not found:
            print("no such read is on record")

    _run(work)


def _run(work: Work) -> None:
    async def opened() -> None:
        async with acting(settings) as (ledger, operator):
            await work(ledger, operator)

    settings = load_settings()
    configure_logs(settings.log_format, LogLevel.ERROR)
    asyncio.run(opened())


def _named(subject: str) -> str:
    if not 1 <= len(subject) <= 128 or not subject.isprintable():
        raise typer.BadParameter("a pseudonym has 1 to 128 printable characters")
    return subject


def _text(reason: str) -> str:
    if not 1 <= len(reason) <= _TEXT_MAX:
        raise typer.BadParameter(f"a reason has 1 to {_TEXT_MAX} characters")
    return reason


def _say(done: "HoldAct") -> None:
    state = "is under a legal hold" if done.held else "is under no legal hold"
    at = "" if done.position is None else f", by position {done.position}"
    print(f"{done.subject} {state}{at}{'' if done.changed else ', and was so already'}")
    if not done.on_record:
        mistyped = "if you expected something, mind how the pseudonym is spelled"
        print(f"nothing personal is on record of {done.subject}: {mistyped}", file=sys.stderr)
