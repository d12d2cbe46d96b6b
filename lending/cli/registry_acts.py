"""What the command lines share that read and write the registry: the open ledger, and files of JSON."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from lending.cli.operators import acting
from lending.runtime.settings import LogLevel, load_settings
from lending.runtime.telemetry import configure_logs

if TYPE_CHECKING:
    from lending.service.ledger import Ledger
    from lending.service.registry_writing import Operator

Taken = TypeVar("Taken")
Work = Callable[["Ledger", "Operator"], Awaitable[None]]


def run(work: Work) -> None:
    """Do something with the ledger, as whoever sits at the shell."""

    async def opened() -> None:
        async with acting(settings) as (ledger, operator):
            await work(ledger, operator)

    settings = load_settings()
    configure_logs(settings.log_format, LogLevel.ERROR)
    asyncio.run(opened())


def read_json(file: Path) -> Any:
    """What a file, or stdin for `-`, says. Raises OperatorError."""
    from lending.contract.json_body import MalformedJson, parse
    from lending.runtime.errors import OperatorError

    try:
        return parse(sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes())
    except OSError as fault:
        raise OperatorError(f"{file} cannot be read: {fault.strerror}") from None
    except MalformedJson as fault:
        raise OperatorError(f"{file} is not JSON: {fault}") from None


def taken(kind: type[Taken], given: Any) -> Taken:
    """What `given` says, by the schema that HTTP has. Raises OperatorError."""
    from lending.contract.bodies import Body, InvalidBody
    from lending.runtime.errors import OperatorError

    try:
        return Body(kind).take(given, {}).said
    except InvalidBody as fault:
        said = "; ".join(f"{error['pointer'] or 'it'} {error['message']}" for error in fault.errors)
        raise OperatorError(said) from None


def was_so(*, changed: bool) -> str:
    """What is added where an act changed nothing."""
    return "" if changed else ", and was so already"
