"""`lending suspend` and `lending reinstate`: the kill switch, from a shell beside the service."""

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from lending.cli.operators import acting
from lending.domain.suspensions import Reinstate, Subject, Suspend
from lending.runtime.settings import Settings, load_settings
from lending.runtime.telemetry import configure_logs

if TYPE_CHECKING:
    from lending.service.kill_switch import Switched

What = Annotated[Subject, typer.Argument(help="What: principal, policy or automation.")]
Name = Annotated[
    str | None,
    typer.Argument(help="Its name; a policy's may be NAME@VERSION; automation has none."),
]
Reason = Annotated[str, typer.Option(help="Why, for the record; every refusal says it.")]


def suspend(subject: What, reason: Reason, name: Name = None) -> None:
    """Suspend a principal, a policy or all automated decisions, in every process within a second."""
    _run(Suspend(subject=subject, name=name, reason=reason))


def reinstate(subject: What, reason: Reason, name: Name = None) -> None:
    """Reinstate what was suspended."""
    _run(Reinstate(subject=subject, name=name, reason=reason))


def _run(command: Suspend | Reinstate) -> None:
    settings = load_settings()
    configure_logs(settings.log_format, settings.log_level)
    done = asyncio.run(_throw(settings, command))
    what = command.subject if command.name is None else f"{command.subject} {command.name}"
    state = "is suspended" if done.suspended else "is not suspended"
    print(f"{what} {state}{'' if done.changed else ', and was so already'}")


async def _throw(settings: Settings, command: Suspend | Reinstate) -> "Switched":
    async with acting(settings) as (ledger, operator):
        return await ledger.kill_switch.throw(command, operator)
