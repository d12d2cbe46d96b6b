"""What a client writes down of every attempt, before it is sent and after it was answered.

What belongs here: the journal's format, and what an answer means. A line is one write to a file
opened for appending, so it outlives the process; it is not synced, for the machine is not killed.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import orjson

Json = dict[str, Any]
NOTHING_RECORDED = frozenset(
    {
        "clock_fault",
        "conflict",
        "epoch_not_open",
        "overloaded",
        "precondition_failed",
        "queue_full",
        "unavailable",
    }
)
"""Codes of problems that promise that this request recorded nothing."""


class Meaning(Enum):
    """What an attempt's end says of what was recorded."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    NOTHING = "nothing recorded"
    UNKNOWN = "unknown"
    FAULT = "fault"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One request. `id` is its Correlation-Id; `command` is the same for all attempts at a command."""

    id: str
    command: str
    api: str
    path: str
    application: str | None
    key: str | None
    if_match: int | None
    dry_run: bool
    body: Json | None
    sent_at: float
    answered_at: float | None = None
    status: int | None = None
    replayed: bool = False
    unsent: bool = False
    answer: Json | None = None

    @property
    def meaning(self) -> Meaning:
        """What is known from how it ended."""
        if self.unsent:
            return Meaning.NOTHING
        if self.status is None or self.answer is None:
            return Meaning.UNKNOWN
        return meaning_of(self.status, self.answer)

    @property
    def acknowledged(self) -> bool:
        """Whether its answer is final and on record."""
        return not self.dry_run and self.meaning in (Meaning.ACCEPTED, Meaning.REFUSED)


def meaning_of(status: int, answer: Json) -> Meaning:
    """What an answer says of what was recorded."""
    if status in (200, 201):
        return Meaning.ACCEPTED
    code = answer.get("code")
    if code in NOTHING_RECORDED:
        return Meaning.NOTHING
    if code == "outcome_unknown":
        return Meaning.UNKNOWN
    return Meaning.REFUSED if status == 409 else Meaning.FAULT


class Journal:
    """A file to which lines are added."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def write(self, line: Json) -> None:
        """Add one line."""
        os.write(self._descriptor, orjson.dumps(line) + b"\n")

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)


def lines(path: Path) -> Iterator[Json]:
    """The lines of a journal that are complete."""
    if path.exists():
        for line in path.read_bytes().splitlines(keepends=True):
            if line.endswith(b"\n"):
                yield orjson.loads(line)


def attempts(path: Path) -> list[Attempt]:
    """The attempts in a client's journal, each with its end if it had one."""
    begun: dict[str, Json] = {}
    for line in lines(path):
        begun.setdefault(line["id"], {}).update(line)
    return [Attempt(**fields) for fields in begun.values()]
