"""`lending show | timeline | diff | decision`: one application at any moment of the record.

They read the log alone, and need no running service. Text is for people; --json is what HTTP answers.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from lending.runtime.errors import OperatorError
from lending.runtime.settings import LogLevel, load_settings
from lending.runtime.telemetry import configure_logs

if TYPE_CHECKING:
    from lending.service.history import Moment
    from lending.service.record import Record

_VERSION_MAX = 2**31 - 1
_DATE = ["%Y-%m-%d"]

Id = Annotated[UUID, typer.Argument(help="The application.")]
Version = Annotated[
    int | None, typer.Option(min=1, max=_VERSION_MAX, help="As it was on record at this version.")
]
AsOf = Annotated[
    str | None,
    typer.Option(
        metavar="INSTANT",
        help="As it was on record at this instant, such as 2026-10-31T09:30:00Z.",
    ),
]
EffectiveOn = Annotated[
    datetime | None, typer.Option(formats=_DATE, help="Counting only what counts by this date.")
]
Json = Annotated[bool, typer.Option("--json", help="As JSON, as the service answers it.")]


class NotOnRecord(OperatorError):
    """The record has no such application, moment or decision."""


def show(
    application_id: Id,
    *,
    version: Version = None,
    as_of: AsOf = None,
    effective_on: EffectiveOn = None,
    json: Json = False,
) -> None:
    """Show an application, now or at any moment."""
    moment = _moment(version, as_of, effective_on)

    async def work(record: "Record") -> None:
        from lending.contract.moment_words import application_text
        from lending.contract.rendering import application

        found = await record.history.seen(application_id, moment)
        _tell(application(application_id, found, None), application_text, as_json=json)

    _run(work)


def timeline(
    application_id: Id,
    *,
    version: Version = None,
    as_of: AsOf = None,
    effective_on: EffectiveOn = None,
    after: Annotated[
        int, typer.Option(min=0, max=_VERSION_MAX, help="Only events behind this version.")
    ] = 0,
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="Events at most.")] = 1_000,
    json: Json = False,
) -> None:
    """Tell what happened to an application, in words, with what each event changed."""
    moment = _moment(version, as_of, effective_on)

    async def work(record: "Record") -> None:
        from lending.contract.moment_words import timeline_text
        from lending.contract.moments import timeline as view

        found = await record.moments.timeline(application_id, moment, after=after, limit=limit)
        _tell(view(found), timeline_text, as_json=json)

    _run(work)


def diff(
    application_id: Id,
    *,
    from_version: Version = None,
    from_as_of: AsOf = None,
    from_effective_on: EffectiveOn = None,
    to_version: Version = None,
    to_as_of: AsOf = None,
    to_effective_on: EffectiveOn = None,
    json: Json = False,
) -> None:
    """Hold two moments of an application against each other: by default nothing, and now."""
    first = _moment(from_version, from_as_of, from_effective_on)
    second = _moment(to_version, to_as_of, to_effective_on)

    async def work(record: "Record") -> None:
        from lending.contract.moment_words import difference_text
        from lending.contract.moments import difference
        from lending.service.history import Moment

        start = None if first == Moment() else first
        found = await record.moments.difference(application_id, start, second)
        _tell(difference(found), difference_text, as_json=json)

    _run(work)


def decision(
    application_id: Id,
    version: Annotated[
        int, typer.Argument(min=1, max=_VERSION_MAX, help="The version of the decision.")
    ],
    json: Json = False,
) -> None:
    """Show what a decider could see when it decided, and what was known only afterwards."""

    async def work(record: "Record") -> None:
        from lending.contract.moment_words import decision_text
        from lending.contract.moments import decision_view

        found = await record.moments.decision(application_id, version)
        _tell(decision_view(found), decision_text, as_json=json)

    _run(work)


def _moment(version: int | None, as_of: str | None, effective_on: datetime | None) -> "Moment":
    from lending.api.headers import instant_of
    from lending.service.history import Moment
    from lending.service.ledger import system_clock

    instant = None if as_of is None else instant_of(as_of)
    if as_of is not None and instant is None:
        raise typer.BadParameter(f"{as_of!r} is no instant such as 2026-10-31T09:30:00Z")
    if instant is not None and instant > system_clock():
        raise typer.BadParameter(f"{as_of!r} is later than now")
    day = None if effective_on is None else effective_on.date()
    return Moment(version=version, as_of=instant, effective_on=day)


def _run(work: Callable[["Record"], Awaitable[None]]) -> None:
    settings = load_settings()
    configure_logs(settings.log_format, LogLevel.ERROR)

    async def opened() -> None:
        from lending.cli.database import opened_database
        from lending.service.history import UnknownMoment
        from lending.service.moments import NoDecision
        from lending.service.record import opened_record
        from lending.service.requests import UnknownApplication

        async with (
            opened_database(settings, create=False) as database,
            opened_record(database.url, settings) as record,
        ):
            try:
                await work(record)
            except (UnknownApplication, UnknownMoment, NoDecision) as fault:
                raise NotOnRecord(str(fault)) from None

    asyncio.run(opened())


def _tell(
    said: Mapping[str, Any], worded: Callable[[Mapping[str, Any]], str], *, as_json: bool
) -> None:
    from lending.contract.rendering import json_bytes

    print(json_bytes(said).decode() if as_json else worded(said).rstrip("\n"))
