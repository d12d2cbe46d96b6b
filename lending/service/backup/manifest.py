"""The manifest of a backup: which ledger, as of which positions, in which files.

What belongs here: its form, and holding files against it.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from hashlib import file_digest
from pathlib import Path
from typing import Any, Final

import orjson

from lending.runtime.errors import OperatorError

LEDGER: Final = "ledger.dump"
"""The log, the answers and the tree; of the read models their tables, without rows."""
CHECKPOINTS: Final = "checkpoints"
"""Every signed checkpoint, as they are published."""
MANIFEST: Final = "manifest.json"
FORMAT: Final = 1


class BackupDamaged(OperatorError):
    """A backup is not whole, or not what its manifest says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """Where a shard stood: its epoch, its last position, that event's leaf, and how far it was sealed."""

    shard: int
    epoch: int
    position: int
    leaf_hash: str | None
    sealed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a backup holds. `files` gives the SHA-256 of each file, the vault's by the name `vault`."""

    ledger_id: str
    taken_at: str
    postgresql: int
    heads: Sequence[Head]
    roles: Sequence[tuple[str, str]]
    files: dict[str, str]
    format: int = FORMAT

    def write(self, directory: Path) -> None:
        """Write it, behind the files it names."""
        (directory / MANIFEST).write_bytes(orjson.dumps(asdict(self), option=orjson.OPT_INDENT_2))


def read_manifest(directory: Path) -> Manifest:
    """The manifest of a backup. Raises BackupDamaged."""
    try:
        told: dict[str, Any] = orjson.loads((directory / MANIFEST).read_bytes())
        if told["format"] != FORMAT:
            raise BackupDamaged(
                f"the backup is of format {told['format']}, this release reads {FORMAT}"
            )
        heads = [Head(**head) for head in told.pop("heads")]
        roles = [(str(name), str(meaning)) for name, meaning in told.pop("roles")]
        return Manifest(heads=heads, roles=roles, **told)
    except (OSError, ValueError, KeyError, TypeError) as fault:
        raise BackupDamaged(f"{directory} holds no whole backup: {type(fault).__name__}") from None


def require_whole(manifest: Manifest, directory: Path, vault: Path) -> None:
    """Raise BackupDamaged where a file is not the one that was written."""
    for name, digest in manifest.files.items():
        path = vault if name == "vault" else directory / name
        if not path.is_file():
            raise BackupDamaged(f"{path} is missing")
        if sha256_of(path) != digest:
            raise BackupDamaged(f"{path} is not the file that was backed up")


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()
