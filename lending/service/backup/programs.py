"""PostgreSQL's programs that dump and restore: which, and how they are run.

What belongs here: finding one that fits the server, and running it with the connection in its
environment, so that no password is among its arguments.
"""

import asyncio
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Final

from psycopg.conninfo import conninfo_to_dict

from lending.runtime.embedded.binaries import find_binaries
from lending.runtime.embedded.errors import BinariesMissing
from lending.runtime.errors import OperatorError

_VARIABLES: Final = MappingProxyType(
    {
        "host": "PGHOST",
        "hostaddr": "PGHOSTADDR",
        "port": "PGPORT",
        "dbname": "PGDATABASE",
        "user": "PGUSER",
        "password": "PGPASSWORD",
        "passfile": "PGPASSFILE",
        "service": "PGSERVICE",
        "sslmode": "PGSSLMODE",
        "sslrootcert": "PGSSLROOTCERT",
        "sslcert": "PGSSLCERT",
        "sslkey": "PGSSLKEY",
        "channel_binding": "PGCHANNELBINDING",
        "connect_timeout": "PGCONNECT_TIMEOUT",
        "target_session_attrs": "PGTARGETSESSIONATTRS",
        "options": "PGOPTIONS",
    }
)
_VERSION: Final = re.compile(r"\(PostgreSQL\) ([0-9]+)")


class ProgramFailed(OperatorError):
    """One of PostgreSQL's programs did not do what it was asked."""


def find_program(name: str, server_major: int) -> Path:
    """The program of this name that fits a server: of its own major version, else a newer one.

    Raises BinariesMissing.
    """
    found = dict(_candidates(name))
    fitting = [major for major in found if major >= server_major]
    if not fitting:
        raise BinariesMissing(
            f"{name} of PostgreSQL {server_major} or newer is not installed; install PostgreSQL's"
            " client programs"
        )
    return found[min(fitting)]


def _candidates(name: str) -> Iterator[tuple[int, Path]]:
    try:
        binaries = find_binaries()
    except BinariesMissing:
        pass
    else:
        yield binaries.major, binaries.bin / name
    installed = shutil.which(name)
    if installed is not None:
        told = subprocess.run([installed, "--version"], capture_output=True, text=True, check=False)
        if version := _VERSION.search(told.stdout):
            yield int(version[1]), Path(installed)


def environment(database_url: str) -> dict[str, str]:
    """The environment in which PostgreSQL's programs connect to a database. Raises OperatorError."""
    given = conninfo_to_dict(database_url)
    unknown = sorted(given.keys() - _VARIABLES.keys())
    if unknown:
        raise OperatorError(f"DATABASE_URL names what a backup cannot use: {', '.join(unknown)}")
    named = {_VARIABLES[name]: str(value) for name, value in given.items()}
    return {**os.environ, **named}


async def run(program: Path, arguments: Sequence[str], variables: Mapping[str, str]) -> None:
    """Run a program to its end. Raises ProgramFailed."""
    process = await asyncio.create_subprocess_exec(
        program,
        *arguments,
        env=dict(variables),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        _, told = await process.communicate()
    except BaseException:
        process.terminate()
        await process.wait()
        raise
    if process.returncode:
        text = " ".join(told.decode(errors="replace").split())[:500]
        raise ProgramFailed(f"{program.name} failed: {text}")
