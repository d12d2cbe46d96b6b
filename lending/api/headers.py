"""The headers of a request: what each may say, and what it means.

Control characters, anything outside ASCII, what is too long and what is given twice are refused by
name. `traceparent` and `Prefer` are ignored where they are not understood (W3C Trace Context, 3.2;
RFC 7240, section 2).
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Final, NamedTuple

from lending.api.answers import Header
from lending.api.problems import Fault, Problem, invalid_header
from lending.runtime import limits

Headers = Mapping[bytes, bytes]

_PRINTABLE: Final = re.compile(rb"[\x20-\x7e]+")
_QUOTED: Final = re.compile(r'"((?:[^"\\]|\\["\\])*)"')
KEY_PATTERN: Final = (
    rf'^("([\x20-\x21\x23-\x5b\x5d-\x7e]|\\["\\]){{1,{limits.IDEMPOTENCY_KEY_MAX_CHARACTERS}}}"'
    rf"|[\x21\x23-\x7e][\x20-\x7e]{{0,{limits.IDEMPOTENCY_KEY_MAX_CHARACTERS - 1}}})$"
)
"""An Idempotency-Key, quoted or bare, as a pattern of JSON Schema."""
_ESCAPED: Final = re.compile(r'\\(["\\])')
_VERSION: Final = re.compile(r'(")?([0-9]{1,9})(?(1)")')
_INSTANT: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?(?:Z|[+-][0-9]{2}:[0-9]{2})",
    re.ASCII,
)
_TRACE: Final = re.compile(
    rb"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}"
)
_WAIT: Final = re.compile(rb'(?:^|[,;\s])wait\s*=\s*"?([0-9]{1,9})"?\s*(?=$|[,;])', re.IGNORECASE)
_MINIMAL: Final = re.compile(rb'(?:^|[,;\s])return\s*=\s*"?minimal"?\s*(?=$|[,;])', re.IGNORECASE)
_EARLIEST_YEAR: Final = 1900
OF_OUR_TIMES: Final = f"from {_EARLIEST_YEAR} on, with its offset from UTC"
"""Which instants are taken, as complaints say it."""

KEY: Final = b"idempotency-key"
IF_MATCH: Final = b"if-match"
ACTOR: Final = b"lending-actor"
AGENT_BUILD: Final = b"lending-agent-build"
EFFECTIVE_AT: Final = b"lending-effective-at"
CORRELATION_ID: Final = b"correlation-id"
CAUSATION_ID: Final = b"causation-id"
TRACEPARENT: Final = b"traceparent"
PREFER: Final = b"prefer"
ACCEPT: Final = b"accept"
LAST_EVENT_ID: Final = b"last-event-id"

NAMES: Final[Mapping[bytes, tuple[str, Fault]]] = MappingProxyType(
    {
        KEY: ("Idempotency-Key", Fault.KEY_INVALID),
        IF_MATCH: ("If-Match", Fault.IF_MATCH_INVALID),
        ACTOR: ("Lending-Actor", Fault.ACTOR_INVALID),
        AGENT_BUILD: ("Lending-Agent-Build", Fault.AGENT_BUILD_INVALID),
        EFFECTIVE_AT: ("Lending-Effective-At", Fault.EFFECTIVE_AT_INVALID),
        CORRELATION_ID: ("Correlation-Id", Fault.CORRELATION_ID_INVALID),
        CAUSATION_ID: ("Causation-Id", Fault.CAUSATION_ID_INVALID),
        LAST_EVENT_ID: ("Last-Event-ID", Fault.LAST_EVENT_ID_INVALID),
    }
)
"""The headers that are refused where they are malformed: how each is written, and the fault."""

_OPAQUE: Final = (ACTOR, AGENT_BUILD, CORRELATION_ID, CAUSATION_ID)


class CommandHeaders(NamedTuple):
    """What the headers of a command say. `if_match` is None where every version will do."""

    key: str | None
    if_match: frozenset[int] | None
    effective_at: datetime | None
    on_behalf_of: str | None
    agent_build: str | None
    correlation_id: str | None
    causation_id: str | None
    traceparent: str | None


class Correlation:
    """What a request belongs to: what its Correlation-Id says, or an id of the service's own where
    it says none, or none that is good.
    """

    __slots__ = ("_headers", "_id", "_new_id")

    def __init__(self, headers: Iterable[Header], new_id: Callable[[], str]) -> None:
        self._headers = headers
        self._new_id = new_id
        self._id: str | None = None

    @property
    def id(self) -> str:
        """The same one, however often it is asked for."""
        if self._id is None:
            said = [value for name, value in self._headers if name == CORRELATION_ID]
            self._id = _said_well(said) or self._new_id()
        return self._id

    def mark(self, headers: Sequence[Header]) -> Sequence[Header]:
        """The headers of an answer, the id among them."""
        if any(name == CORRELATION_ID for name, _ in headers):
            return headers
        return [*headers, (CORRELATION_ID, self.id.encode("ascii"))]


def _said_well(said: Sequence[bytes]) -> str | None:
    try:
        (value,) = said
        return _opaque(CORRELATION_ID, value)
    except (ValueError, Problem):
        return None


def by_name(headers: Sequence[Header]) -> Headers:
    """The headers by name in lower case. Raises Problem where one of ours is given twice."""
    named = dict(headers)
    if len(named) == len(headers):
        return named
    joined: dict[bytes, bytes] = {}
    for name, value in headers:
        if name in joined and name in NAMES and name != IF_MATCH:
            raise _malformed(name, "is given twice")
        joined[name] = joined[name] + b", " + value if name in joined else value
    return joined


def read_command_headers(headers: Headers, clock: Callable[[], datetime]) -> CommandHeaders:
    """What the headers say of a command. Raises Problem naming the header that is wrong."""
    actor, build, correlation, causation = [
        _opaque(name, headers[name]) if name in headers else None for name in _OPAQUE
    ]
    trace = headers.get(TRACEPARENT)
    return CommandHeaders(
        _key(headers[KEY]) if KEY in headers else None,
        _versions(headers[IF_MATCH]) if IF_MATCH in headers else None,
        _effective_at(headers[EFFECTIVE_AT], clock()) if EFFECTIVE_AT in headers else None,
        actor,
        build,
        correlation,
        causation,
        trace.decode("ascii") if trace is not None and _TRACE.fullmatch(trace) else None,
    )


def wait_seconds(headers: Headers) -> int:
    """How long `Prefer: wait=N` lets us wait, cut to the limit; 0 where it does not say."""
    found = _WAIT.search(headers.get(PREFER, b""))
    return 0 if found is None else min(int(found[1]), limits.FRESHNESS_WAIT_MAX_SECONDS)


def prefers_minimal(headers: Headers) -> bool:
    """Whether `Prefer: return=minimal` asks for the outcome alone (RFC 7240, section 4.2)."""
    return PREFER in headers and _MINIMAL.search(headers[PREFER]) is not None


def _malformed(name: bytes, message: str) -> Exception:
    written, fault = NAMES[name]
    return invalid_header(fault, written, message)


def _printable(name: bytes, value: bytes) -> str:
    if not _PRINTABLE.fullmatch(value):
        raise _malformed(name, "must be printable ASCII characters, at least one")
    return value.decode("ascii")


def _opaque(name: bytes, value: bytes) -> str:
    text = _printable(name, value)
    if len(text) > limits.OPAQUE_ID_MAX_CHARACTERS:
        raise _malformed(
            name, f"must have at most {limits.OPAQUE_ID_MAX_CHARACTERS} characters, not {len(text)}"
        )
    return text


def _key(value: bytes) -> str:
    """A bare key, or a string of RFC 9651, section 3.3.3; both name the same key."""
    text = _printable(KEY, value)
    if text.startswith('"'):
        quoted = _QUOTED.fullmatch(text)
        if quoted is None:
            raise _malformed(KEY, "begins with a quote, but is not a quoted string")
        text = _ESCAPED.sub(r"\1", quoted[1])
    if not 1 <= len(text) <= limits.IDEMPOTENCY_KEY_MAX_CHARACTERS:
        raise _malformed(
            KEY,
            f"must have 1 to {limits.IDEMPOTENCY_KEY_MAX_CHARACTERS} characters, not {len(text)}",
        )
    return text


def _versions(value: bytes) -> frozenset[int] | None:
    text = _printable(IF_MATCH, value)
    if text == "*":
        return None
    versions = set()
    for tag in text.split(","):
        found = _VERSION.fullmatch(tag.strip())
        if found is None:
            weak = tag.strip().startswith("W/")
            raise _malformed(
                IF_MATCH,
                "is weak; only strong tags can match"
                if weak
                else 'must name versions, such as "3"',
            )
        versions.add(int(found[2]))
    return frozenset(versions)


def _effective_at(value: bytes, now: datetime) -> datetime:
    text = _printable(EFFECTIVE_AT, value)
    instant = instant_of(text)
    if instant is None:
        raise _malformed(
            EFFECTIVE_AT, f"must be an instant {OF_OUR_TIMES}, such as 2026-10-31T09:30:00+01:00"
        )
    if instant > now + timedelta(seconds=limits.EFFECTIVE_AHEAD_MAX_SECONDS):
        raise _malformed(EFFECTIVE_AT, "must not be later than now")
    return instant


def instant_of(text: str) -> datetime | None:
    """The instant (RFC 3339, with its offset) that `text` is, in UTC; None where it is none."""
    if not _INSTANT.fullmatch(text):
        return None
    try:
        instant = datetime.fromisoformat(text)
        return instant.astimezone(UTC) if instant.year >= _EARLIEST_YEAR else None
    except (ValueError, OverflowError):
        return None
