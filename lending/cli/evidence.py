"""`lending evidence`: what is on record of one application, with its proofs, as one file; and the
program that checks such files.
"""

import asyncio
import sys
from importlib.resources import files
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer

from lending.runtime.errors import OperatorError
from lending.runtime.settings import Settings, load_settings
from lending.runtime.telemetry import configure_logs


def evidence(
    application_id: Annotated[
        UUID | None, typer.Argument(help="The application.", show_default=False)
    ] = None,
    *,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="The file to write, - for standard output.  [default: its name]"
        ),
    ] = None,
    size: Annotated[
        int | None, typer.Option(min=1, help="As it was under the checkpoint of this size.")
    ] = None,
    personal: Annotated[
        bool, typer.Option("--personal", help="Show what is personal, and the persons' keys.")
    ] = False,
    verifier: Annotated[
        bool,
        typer.Option("--verifier", help="Print verify_evidence.py, which checks such files."),
    ] = False,
) -> None:
    """Write the evidence of an application: events, proofs, what they cite, and a report."""
    if verifier:
        sys.stdout.write((files("lending") / "verify_evidence.py").read_text(encoding="utf-8"))
        return
    if application_id is None:
        raise typer.BadParameter("name an application, or ask for --verifier")
    settings = load_settings()
    configure_logs(settings.log_format, settings.log_level)
    to_stdout = output is not None and str(output) == "-"
    if output is not None and not to_stdout and output.exists():
        raise _there(output)
    name, content = asyncio.run(_bundle(settings, application_id, size, personal=personal))
    if to_stdout:
        sys.stdout.buffer.write(content)
        return
    path = output or Path(name)
    try:
        with path.open("xb") as file:
            file.write(content)
    except FileExistsError:
        raise _there(path) from None
    except OSError as fault:
        raise OperatorError(f"{path} cannot be written: {fault.strerror}") from None
    print(path)


def _there(path: Path) -> OperatorError:
    return OperatorError(f"{path} is there already; evidence never overwrites a file")


async def _bundle(
    settings: Settings, application_id: UUID, size: int | None, *, personal: bool
) -> tuple[str, bytes]:
    """The file's name and content. That personal data are given is on record when this returns."""
    from lending.cli.operators import acting
    from lending.contract.evidence import bundle, file_name
    from lending.ledger.submission import LaneUnavailable
    from lending.ledger.tree import NotSealed
    from lending.service.access_log import Asker, What

    async with acting(settings) as (ledger, operator):
        try:
            async with ledger.evidence.of(application_id, size=size, personal=personal) as found:
                written = file_name(found), bundle(found)
            if personal:
                asker = Asker(operator.principal, operator.correlation_id)
                await ledger.access.heed(asker, What.PERSONAL_EVIDENCE, (application_id,))
        except NotSealed as fault:
            raise OperatorError(
                f"{fault}; a worker seals on, and `lending serve` has one"
            ) from None
        except LaneUnavailable as fault:
            raise OperatorError(f"{fault}: nothing was written") from None
        return written
