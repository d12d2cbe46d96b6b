"""Places outside the database where checkpoints go: a file, a directory, an address.

A place outside is what makes a rewritten history show: whoever can change the database cannot take
back what is there. Files are only ever appended to, and are on disk before a checkpoint counts as
published.
"""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final, Protocol
from uuid import UUID

import anyio.to_thread
import httpx2

from lending.ledger import limits as log_limits
from lending.ledger.checkpoints import CheckpointFault, Origin, parse_origin, read_checkpoint
from lending.ledger.notes import NoteFault
from lending.ledger.published import SUFFIX, notes_in
from lending.ledger.tree import SignedCheckpoint
from lending.service.transparency.sealer import Published

_DIGITS: Final = 20


class NotPublished(Exception):
    """A checkpoint could not be published; it is tried again."""


class Outlet(Protocol):
    """A place for the checkpoints of one shard."""

    target: str
    """What it is called in `transparency.publications`."""
    one_by_one: bool
    """Whether it takes one checkpoint at a time."""

    async def last(self) -> Published | None:
        """The last checkpoint it holds; None where it holds none, or cannot be asked. Raises
        OSError.
        """
        ...

    async def publish(self, checkpoints: Sequence[SignedCheckpoint]) -> None:
        """Publish them, in order. Raises NotPublished, OSError."""
        ...


class FileOutlet:
    """A file that checkpoints are appended to."""

    one_by_one = False

    def __init__(self, path: Path, ledger_id: UUID, shard: int) -> None:
        self.target = f"file:{path}"
        self._path = path
        self._ledger_id = ledger_id
        self._shard = shard

    async def last(self) -> Published | None:
        """The last checkpoint in the file. Raises OSError."""
        return await anyio.to_thread.run_sync(self._last)

    async def publish(self, checkpoints: Sequence[SignedCheckpoint]) -> None:
        """Append them, and have them on disk. Raises OSError."""
        notes = "".join(checkpoint.note for checkpoint in checkpoints)
        await anyio.to_thread.run_sync(self._append, notes.encode())

    def _last(self) -> Published | None:
        for tail in (log_limits.CHECKPOINTS_TAIL_BYTES, None):
            notes = notes_in(_tail(self._path, tail))[0]
            found = _last_of(notes, self.target, self._ledger_id, self._shard)
            if found is not None:
                return found
        return None

    def _append(self, notes: bytes) -> None:
        fresh = not self._path.exists()
        self._path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            os.lseek(descriptor, _end_of_whole_notes(descriptor, self._path), os.SEEK_SET)
            _write_all(descriptor, notes)
            os.ftruncate(descriptor, os.lseek(descriptor, 0, os.SEEK_CUR))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if fresh:
            _sync_directory(self._path.parent)


class DirectoryOutlet:
    """A directory with a file for each checkpoint: SHARD/EPOCH/SIZE.checkpoint."""

    one_by_one = False

    def __init__(self, path: Path, ledger_id: UUID, shard: int) -> None:
        self.target = f"directory:{path}"
        self._path = path / str(shard)
        self._ledger_id = ledger_id
        self._shard = shard

    async def last(self) -> Published | None:
        """The checkpoint of the last epoch with the most leaves. Raises OSError."""
        return await anyio.to_thread.run_sync(self._last)

    async def publish(self, checkpoints: Sequence[SignedCheckpoint]) -> None:
        """Write a file for each, and have them on disk. Raises NotPublished, OSError."""
        for checkpoint in checkpoints:
            await anyio.to_thread.run_sync(self._write, checkpoint)

    def _last(self) -> Published | None:
        for epoch in sorted(_numbered(self._path, ""), reverse=True):
            folder = self._path / str(epoch)
            for size in sorted(_numbered(folder, SUFFIX), reverse=True):
                note = (folder / f"{size:0{_DIGITS}}{SUFFIX}").read_text()
                found = _last_of([note], self.target, self._ledger_id, self._shard)
                if found is not None:
                    return found
        return None

    def _write(self, checkpoint: SignedCheckpoint) -> None:
        folder = self._path / str(checkpoint.epoch)
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{checkpoint.size:0{_DIGITS}}{SUFFIX}"
        if path.exists():
            if read_checkpoint(path.read_text()).root != checkpoint.root:
                raise NotPublished(f"{path} holds another checkpoint")
            return
        unfinished = path.with_suffix(".unfinished")
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        try:
            _write_all(descriptor, checkpoint.note.encode())
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        unfinished.rename(path)
        _sync_directory(folder)


class WebhookOutlet:
    """An address that each checkpoint is posted to, as text; any answer of 2xx takes it."""

    one_by_one = True

    def __init__(self, url: str, client: httpx2.AsyncClient) -> None:
        self.target = f"webhook:{url.partition('?')[0]}"
        self._url = url
        self._client = client

    async def last(self) -> Published | None:
        """None: what the receiver holds is its own affair."""
        return None

    async def publish(self, checkpoints: Sequence[SignedCheckpoint]) -> None:
        """Post them. Raises NotPublished."""
        for checkpoint in checkpoints:
            headers = {"Content-Type": "text/plain; charset=utf-8"}
            try:
                answer = await self._client.post(
                    self._url, content=checkpoint.note.encode(), headers=headers
                )
            except (httpx2.HTTPError, httpx2.InvalidURL) as fault:
                raise NotPublished(f"it cannot be posted: {type(fault).__name__}") from None
            if not answer.is_success:
                raise NotPublished(f"the answer was {answer.status_code}")


def file_or_directory(path: Path, ledger_id: UUID, shard: int) -> FileOutlet | DirectoryOutlet:
    """The place at a path: a directory where there is one, else a file."""
    kind = DirectoryOutlet if path.is_dir() else FileOutlet
    return kind(path, ledger_id, shard)


async def last_published(path: Path | None, ledger_id: UUID, shard: int) -> tuple[int, int] | None:
    """Epoch and size of the last checkpoint that was published at a path. Raises OSError."""
    last = None if path is None else await file_or_directory(path, ledger_id, shard).last()
    return None if last is None else (last.epoch, last.size)


def _numbered(folder: Path, suffix: str) -> list[int]:
    if not folder.is_dir():
        return []
    names = (entry.name for entry in folder.iterdir() if entry.name.endswith(suffix))
    return [int(name) for name in (n.removesuffix(suffix) for n in names) if name.isdecimal()]


def _tail(path: Path, size: int | None) -> str:
    try:
        with path.open("rb") as file:
            begin = 0 if size is None else max(path.stat().st_size - size, 0)
            file.seek(begin)
            return file.read().decode(errors="replace")
    except FileNotFoundError:
        return ""


def _last_of(notes: Iterable[str], place: str, ledger_id: UUID, shard: int) -> Published | None:
    found = None
    for note in notes:
        try:
            checkpoint = read_checkpoint(note)
            origin = parse_origin(checkpoint.origin)
        except (NoteFault, CheckpointFault):
            continue
        if origin == Origin(ledger_id, shard, origin.epoch):
            found = Published(place, origin.epoch, checkpoint.size, checkpoint.root)
    return found


def _end_of_whole_notes(descriptor: int, path: Path) -> int:
    """Where the last whole note ends: a crash may have left a part of one behind it. Raises
    NotPublished where something else is there.
    """
    size = os.fstat(descriptor).st_size
    begin = max(size - log_limits.CHECKPOINT_NOTE_MAX_BYTES, 0)
    tail = os.pread(descriptor, size - begin, begin).decode(errors="surrogateescape")
    torn = notes_in(tail)[1].encode(errors="surrogateescape")
    if torn and not (b"lending/".startswith(torn[:8]) or torn.startswith(b"lending/")):
        raise NotPublished(f"{path} holds something else than checkpoints")
    return size - len(torn)


def _write_all(descriptor: int, content: bytes) -> None:
    while content:
        content = content[os.write(descriptor, content) :]


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
