"""The data directory: what lies where, whether it is ours, and making a new one.

What belongs here: files. Processes are in server.py. The layout:

    <data_dir>/about.txt      says what this is, and by being there that it is ours
    <data_dir>/postgres/      PostgreSQL's own, its socket in it; made complete or not at all
    <data_dir>/postgres.log   its log, and postgres.log.1 the one before

Locks are on things that nobody removes in passing: on the data directory while a server is started
or stopped; on postgres/ by the server's own processes, as long as one of them lives; on PG_VERSION
in it, shared, by each process that uses the server.
"""

import errno
import hashlib
import os
import shutil
import subprocess
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from lending.runtime.embedded.account import Account
from lending.runtime.embedded.binaries import Binaries
from lending.runtime.embedded.errors import (
    DirectoryForeign,
    DirectoryUnwritable,
    EmbeddedPostgresError,
    VersionMismatch,
    from_output,
)

DATABASE = "lending"
SUPERUSER = "lending"
PORT = 5432

_ABOUT = """\
This directory holds a lending ledger: its PostgreSQL database, and the master key of its
personal data if it made one. Copy it only while the ledger is stopped, and keep the copy
to yourself. See docs/how-to/run.md.
"""
_MAY_BE_THERE_BEFORE = {"master.key", "lost+found"}
_SOCKET_PATH_MAX_BYTES = 103  # of sun_path: 107 on Linux, 103 on macOS
_SHORT_DIRECTORY = "/tmp"  # noqa: S108 - for a link of our own, checked to be ours
_SETTINGS = f"""\
# Written anew at each start. Change what you need with ALTER SYSTEM, which comes after this.
max_connections = 100
shared_buffers = '128MB'
min_wal_size = '80MB'
max_wal_size = '1GB'
max_slot_wal_keep_size = '4GB'
jit = off
timezone = 'UTC'
log_timezone = 'UTC'
log_line_prefix = '%m [%p] '
log_checkpoints = off
# Statements and details of errors may hold personal data; neither belongs in a log file.
log_min_error_statement = panic
log_error_verbosity = terse
port = {PORT}
"""


@dataclass(frozen=True, slots=True)
class DataDirectory:
    """The files of one embedded PostgreSQL."""

    root: Path

    @property
    def data(self) -> Path:
        """PostgreSQL's own directory."""
        return self.root / "postgres"

    @property
    def log(self) -> Path:
        """The server's log."""
        return self.root / "postgres.log"

    @property
    def about(self) -> Path:
        """What says that the directory is ours."""
        return self.root / "about.txt"

    def prepare(self) -> None:
        """Make the directory if it is not there, and see that it is ours and writable.

        Raises DirectoryUnwritable, DirectoryForeign, DiskFull.
        """
        try:
            if not self.root.is_dir():
                # Root's directory is passed through by the account the server runs as.
                self.root.mkdir(mode=0o711 if os.geteuid() == 0 else 0o700, parents=True)
            if not self.about.exists():
                self._refuse_foreign()
                self.about.write_text(_ABOUT)
        except OSError as fault:
            raise explained(fault, self.root) from None

    def _refuse_foreign(self) -> None:
        others = sorted({entry.name for entry in self.root.iterdir()} - _MAY_BE_THERE_BEFORE)
        if others and not (self.data / "PG_VERSION").exists():
            raise DirectoryForeign(
                f"{self.root} is not a ledger's: it holds {others[0]!r}; name another or an empty"
                " directory by LENDING_DATA_DIR"
            )

    def require_usable(self, binaries: Binaries, account: Account) -> None:
        """See that these programs, run as that account, can use the data there are.

        Raises VersionMismatch if another major version wrote them, DirectoryUnwritable if they
        belong to somebody else.
        """
        owner = self.data.stat().st_uid
        if owner != account.uid:
            raise DirectoryUnwritable(
                f"{self.data} belongs to uid {owner}, and PostgreSQL runs as {account.name}:"
                f" chown -R {account.uid}:{account.gid} {self.data}"
            )
        found = (self.data / "PG_VERSION").read_text().strip()
        if found != str(binaries.major):
            raise VersionMismatch(
                f"{self.data} was written by PostgreSQL {found}, and this ledger comes with"
                f" {binaries.major}: save the data with PostgreSQL {found}'s pg_dumpall, move the"
                " directory away, and load them into a new one; docs/how-to/run.md has the commands"
            )

    def initialise(self, binaries: Binaries, account: Account) -> None:
        """Make a new cluster under another name, then rename it: a kill leaves nothing half made.

        Raises DiskFull, DirectoryUnwritable, DidNotStart.
        """
        for leftover in self.root.glob("postgres.new-*"):
            shutil.rmtree(leftover, ignore_errors=True)
        scratch = self.root / f"postgres.new-{os.getpid()}"
        try:
            scratch.mkdir(mode=0o700)
            if not account.is_self:
                os.chown(scratch, account.uid, account.gid)
            self._initdb(binaries, account, scratch)
            scratch.rename(self.data)
            _sync(self.root)
        except OSError as fault:
            raise explained(fault, self.root) from None
        finally:
            shutil.rmtree(scratch, ignore_errors=True)

    def _initdb(self, binaries: Binaries, account: Account, scratch: Path) -> None:
        made = subprocess.run(
            [
                binaries.initdb,
                f"--pgdata={name_inside(scratch, account)}",
                f"--username={SUPERUSER}",
                "--encoding=UTF8",
                "--locale-provider=builtin",
                "--builtin-locale=C.UTF-8",
                "--locale=C",
                "--auth-local=trust",
                "--auth-host=reject",
                "--data-checksums",
            ],
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=scratch,
            env=clean_environment(),
            **account.as_user(),
        )
        if made.returncode != 0:
            raise from_output(
                "making the database", self.root, made.stdout.decode(errors="replace")
            )
        with (scratch / "postgresql.conf").open("a") as configuration:
            configuration.write("include_if_exists = 'ledger.conf'\n")

    def write_settings(self, account: Account) -> None:
        """Write the settings a small machine wants, where ALTER SYSTEM still overrides them."""
        file = self.data / "ledger.conf"
        try:
            file.write_text(_SETTINGS)
            os.chown(file, account.uid, account.gid)
        except OSError as fault:
            raise explained(fault, self.root) from None

    def remove_stale_files(self) -> None:
        """Remove what a killed server left behind. Only while holding the server's lock.

        PostgreSQL goes by the process number in these files, and after a restart of the machine or
        the container that number may well be somebody else's.
        """
        for name in ("postmaster.pid", f".s.PGSQL.{PORT}.lock", f".s.PGSQL.{PORT}"):
            (self.data / name).unlink(missing_ok=True)

    def postmaster(self) -> tuple[int, bool] | None:
        """The server's process number and whether it is ready, as it wrote them down."""
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
            return int(lines[0]), len(lines) > 7 and lines[7].strip() == "ready"
        except (OSError, ValueError, IndexError):
            return None

    def is_postmaster(self, process_id: int) -> bool:
        """Whether this process works in PostgreSQL's directory; True where that cannot be seen.

        In a container that shares the directory with another one, the number that the server wrote
        down may be a process of our own.
        """
        if not Path("/proc/self/cwd").exists():
            return True
        try:
            return Path(f"/proc/{process_id}/cwd").samefile(self.data)
        except OSError:
            return False

    def url(self, database: str = DATABASE) -> str:
        """How to connect from this machine."""
        host = quote(str(self._socket_directory()), safe="")
        return f"postgresql://{SUPERUSER}@/{database}?host={host}"

    def _socket_directory(self) -> Path:
        """The directory of the socket, by a name short enough for a socket's address."""
        if _holds_a_socket(self.data):
            return self.data
        digest = hashlib.sha256(os.fsencode(self.data)).hexdigest()[:16]
        name = f"lending-{os.geteuid()}-{digest}"
        links = [Path(directory) / name for directory in (tempfile.gettempdir(), _SHORT_DIRECTORY)]
        link = next((link for link in links if _holds_a_socket(link)), links[-1])
        with suppress(FileExistsError):
            link.symlink_to(self.data)
        if link.lstat().st_uid != os.geteuid() or link.readlink() != self.data:
            raise DirectoryForeign(f"{link} is in the way, and not ours: remove it")
        return link


def _holds_a_socket(directory: Path) -> bool:
    """Whether the address of a socket in `directory` is short enough."""
    return len(os.fsencode(directory / f".s.PGSQL.{PORT}")) <= _SOCKET_PATH_MAX_BYTES


def name_inside(directory: Path, account: Account) -> str:
    """The name by which a program started in `directory` as `account` calls that directory.

    Another account may be unable to pass through the directories above. It need not: a program
    starts inside, and /proc/self/cwd leads there without passing through anything.
    """
    here = Path("/proc/self/cwd")
    return str(directory) if account.is_self or not here.exists() else str(here)


def clean_environment() -> dict[str, str]:
    """An environment for PostgreSQL's programs in which no PG* variable of ours misleads them."""
    return {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}


def explained(fault: OSError, directory: Path) -> EmbeddedPostgresError:
    """The error of ours that an error of the file system amounts to."""
    if fault.errno in (errno.ENOSPC, errno.EDQUOT):
        return from_output("", directory, "No space left on device")
    return DirectoryUnwritable(
        f"{directory} cannot be used: {os.strerror(fault.errno or 0)}"
        f" ({fault.filename or directory}); name another directory by LENDING_DATA_DIR,"
        " or set DATABASE_URL"
    )


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
