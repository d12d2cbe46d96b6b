"""Reading an XES event log as a stream: cases with their events, nothing interpreted.

Source: IEEE 1849 (XES), its XML serialisation; plain or gzip-compressed, told apart by their first
bytes. A case must have a `concept:name` of its own; an event its `concept:name` and a
`time:timestamp` with a zone. Of an event's other attributes `org:resource` and
`lifecycle:transition` are kept, of a trace's all.
"""

import gzip
import sys
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO, Final
from xml.etree import ElementTree as ET

from lending.imports.errors import MalformedCase, UnreadableLog

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_GZIP_MAGIC: Final = b"\x1f\x8b"


@dataclass(frozen=True, slots=True)
class LogEvent:
    """One event: microseconds since 1970 (UTC), its place in the trace from 0, what happened."""

    instant_us: int
    index: int
    activity: str
    transition: str | None
    resource: str | None


@dataclass(frozen=True, slots=True)
class Case:
    """One trace: its place in the log from 0, and its events by (instant, index)."""

    index: int
    name: str
    attributes: Mapping[str, str]
    events: tuple[LogEvent, ...]


@dataclass(frozen=True, slots=True)
class EventLog:
    """A log that was read: its name, its cases in file order, and the names of the empty ones."""

    name: str
    cases: tuple[Case, ...]
    empty_cases: tuple[str, ...]


def read_log(
    path: Path, *, limit: int | None = None, progress: Callable[[int], None] | None = None
) -> EventLog:
    """The log in `path`, its first `limit` cases only if that is given.

    `progress` is told the bytes of the file that were read so far.
    Raises `UnreadableLog` and `MalformedCase`.
    """
    try:
        with path.open("rb") as file:
            return _Reader(path, progress).read(file, limit)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UnreadableLog(
            path, "the compressed file is cut off or damaged; fetch it again"
        ) from error
    except OSError as error:
        raise UnreadableLog(path, error.strerror or str(error)) from error
    except (ET.ParseError, LookupError, ValueError) as error:
        # The last two are what an encoding causes that is unknown, or that expat cannot read.
        raise UnreadableLog(path, f"not an XES log, or cut off: {error}") from error


def instant_us(text: str) -> int:
    """Microseconds since 1970 of an ISO 8601 instant with a zone. Raises `ValueError`."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"the timestamp {text!r} has no zone")
    return (moment - EPOCH) // _MICROSECOND


def _plain(file: BinaryIO) -> BinaryIO | gzip.GzipFile:
    magic = file.read(len(_GZIP_MAGIC))
    file.seek(0)
    return gzip.GzipFile(fileobj=file) if magic == _GZIP_MAGIC else file


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]


def _attributes(element: ET.Element) -> dict[str, str]:
    return {
        child.get("key", ""): child.get("value", "")
        for child in element
        if _local(child.tag) != "event"
    }


class _Reader:
    """One pass over one file."""

    def __init__(self, path: Path, progress: Callable[[int], None] | None) -> None:
        self._path = path
        self._progress = progress
        self._names: set[str] = set()
        self._empty: list[str] = []

    def read(self, file: BinaryIO, limit: int | None) -> EventLog:
        log_name = ""
        cases: list[Case] = []
        for element in self._children_of_the_log(_plain(file)):
            if element.get("key") == "concept:name":
                log_name = element.get("value", "")
            if _local(element.tag) != "trace":
                continue
            if limit is not None and len(cases) >= limit:
                break
            self._add(element, cases)
            if self._progress is not None:
                self._progress(file.tell())
        return EventLog(name=log_name, cases=tuple(cases), empty_cases=tuple(self._empty))

    def _children_of_the_log(self, stream: BinaryIO | gzip.GzipFile) -> Iterator[ET.Element]:
        """Each finished child of the root, forgotten afterwards: one trace at a time."""
        # expat bounds the expansion of entities and fetches none; the file is the operator's own.
        parse = ET.iterparse(stream, events=("start", "end"))  # noqa: S314
        _, root = next(parse)
        if _local(root.tag) != "log":
            raise UnreadableLog(
                self._path, f"not an XES log: its root element is <{_local(root.tag)}>, not <log>"
            )
        depth = 0
        for step, element in parse:
            depth += 1 if step == "start" else -1
            if depth == 0 and step == "end":
                yield element
                root.clear()

    def _add(self, trace: ET.Element, cases: list[Case]) -> None:
        attributes = _attributes(trace)
        name = attributes.get("concept:name", "")
        if not name:
            raise MalformedCase(
                self._path, f"number {len(cases) + 1}", None, "the trace has no concept:name"
            )
        if name in self._names:
            raise MalformedCase(
                self._path,
                name,
                None,
                "a second trace has this name; a case's name must be its own",
            )
        self._names.add(name)
        events = sorted(
            self._events(name, trace), key=lambda event: (event.instant_us, event.index)
        )
        if events:
            cases.append(Case(len(cases), name, attributes, tuple(events)))
        else:
            self._empty.append(name)

    def _events(self, case: str, trace: ET.Element) -> Iterator[LogEvent]:
        elements = (child for child in trace if _local(child.tag) == "event")
        for index, element in enumerate(elements):
            values = _attributes(element)
            for wanted in ("concept:name", "time:timestamp"):
                if not values.get(wanted):
                    raise MalformedCase(self._path, case, index + 1, f"the event has no {wanted}")
            try:
                instant = instant_us(values["time:timestamp"])
            except ValueError as error:
                raise MalformedCase(self._path, case, index + 1, str(error)) from error
            yield LogEvent(
                instant,
                index,
                sys.intern(values["concept:name"]),
                _interned(values.get("lifecycle:transition")),
                _interned(values.get("org:resource")),
            )


def _interned(text: str | None) -> str | None:
    return sys.intern(text) if text else None
