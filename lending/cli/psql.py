"""`lending psql`: a terminal on the data, as an analyst unless told otherwise."""

import os
import shutil
from typing import Annotated

import typer

from lending.runtime.settings import load_settings


def psql(
    context: typer.Context,
    role: Annotated[
        str, typer.Option(help="The role to act as, such as lending_auditor.")
    ] = "lending_analyst",
) -> None:
    """Open psql on the running ledger's database; further arguments go to psql."""
    from psycopg.conninfo import make_conninfo

    from lending.runtime.embedded.binaries import find_binaries
    from lending.runtime.embedded.directory import DataDirectory
    from lending.runtime.embedded.errors import BinariesMissing, DidNotStart

    settings = load_settings()
    if settings.database_url is not None:
        url, program = settings.database_url, shutil.which("psql")
    else:
        directory = DataDirectory(settings.data_dir.absolute())
        if directory.postmaster() is None:
            raise DidNotStart("no ledger is running here: start it with `lending serve`")
        url, program = directory.url(), str(find_binaries().psql)
    if program is None:
        raise BinariesMissing("psql is not installed; install PostgreSQL's client programs")
    os.environ["PGOPTIONS"] = f"{os.environ.get('PGOPTIONS', '')} -c role={role}"
    os.execv(program, [program, "-d", make_conninfo(url), *context.args])  # noqa: S606 - we become it
