"""From a bank's log to commands: which event asks for what. Pure, one case at a time.

The activities are those of the BPI Challenge 2012 log, the personal-loan process of a Dutch bank:
A_* is the application, O_* an offer, W_* work on it. The first event of a case opens the
application; an activity that is not in the table becomes a note. The log holds neither term nor
income nor score, so none is invented.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType
from typing import Final
from urllib.parse import quote

from lending.client import (
    AcceptOffer,
    AddNote,
    Apply,
    AttachContext,
    Command,
    ContextKind,
    Decide,
    Disburse,
    MakeOffer,
    Outcome,
    Reason,
    ReturnOffer,
    Withdraw,
    WithdrawnBy,
    WithdrawOffer,
)
from lending.imports.errors import MalformedCase
from lending.imports.xes import Case, EventLog, LogEvent

CURRENCY: Final = "EUR"
AMOUNT_ATTRIBUTE: Final = "AMOUNT_REQ"
UNKNOWN_ACTOR: Final = "unknown"

_CASE_KEY_MAX_CHARACTERS: Final = 200
_TOPIC_MAX_CHARACTERS: Final = 128
_TEXT_MAX_CHARACTERS: Final = 2000


class Kind(StrEnum):
    """What a command asks for, named as in `allowed_commands`."""

    APPLY = "apply"
    CONTEXT = "attach_context"
    OFFER = "make_offer"
    RETURN = "return_offer"
    ACCEPT = "accept_offer"
    WITHDRAW_OFFER = "withdraw_offer"
    APPROVE = "decide approved"
    REJECT = "decide rejected"
    WITHDRAW = "withdraw"
    DISBURSE = "disburse"
    NOTE = "add_note"


SUBMITTED: Final = "A_SUBMITTED"
APPROVED: Final = "A_APPROVED"
OFFER_ACCEPTED: Final = "O_ACCEPTED"

MEANINGS: Final[Mapping[str, Kind]] = MappingProxyType(
    {
        SUBMITTED: Kind.APPLY,
        "A_PARTLYSUBMITTED": Kind.CONTEXT,
        "A_PREACCEPTED": Kind.CONTEXT,
        "A_ACCEPTED": Kind.CONTEXT,
        "A_FINALIZED": Kind.CONTEXT,
        APPROVED: Kind.APPROVE,
        "A_REGISTERED": Kind.NOTE,
        "A_ACTIVATED": Kind.NOTE,
        "A_DECLINED": Kind.REJECT,
        "A_CANCELLED": Kind.WITHDRAW,
        "O_SELECTED": Kind.NOTE,
        "O_CREATED": Kind.OFFER,
        "O_SENT": Kind.NOTE,
        "O_SENT_BACK": Kind.RETURN,
        OFFER_ACCEPTED: Kind.ACCEPT,
        "O_DECLINED": Kind.WITHDRAW_OFFER,
        "O_CANCELLED": Kind.WITHDRAW_OFFER,
    }
)
"""What each activity asks for; W_* are notes too."""

FUNDED_AFTER: Final = frozenset({APPROVED, "A_REGISTERED", "A_ACTIVATED", OFFER_ACCEPTED})
"""Once all of these are in, in whatever order, the loan is paid out."""

OUTCOMES: Final = frozenset({APPROVED, "A_DECLINED", "A_CANCELLED"})
"""The activities that end a case, each in its way."""


def is_known(activity: str) -> bool:
    """Whether the table says what to make of `activity`."""
    return activity in MEANINGS or activity.startswith("W_")


@dataclass(frozen=True, slots=True)
class Request:
    """One command to send: what for, under which key, who did it and when.

    `kind` is what it is counted under, `subject` says which case and event it comes from; `case` is
    the case's place in the log.
    """

    case: int
    subject: str
    activity: str
    after_outcome: bool
    kind: StrEnum
    command: Command
    key: str
    actor: str
    instant_us: int

    @property
    def opens(self) -> bool:
        """Whether it opens its case's application."""
        return isinstance(self.command, Apply)


def check(path: Path, log: EventLog) -> None:
    """See to it that every case has an amount. Raises `MalformedCase` for the first without."""
    for case in log.cases:
        text = case.attributes.get(AMOUNT_ATTRIBUTE)
        if text is None:
            raise MalformedCase(path, case.name, None, f"the trace has no {AMOUNT_ATTRIBUTE}")
        if not amount_of(case).is_finite():
            raise MalformedCase(
                path, case.name, None, f"its {AMOUNT_ATTRIBUTE} {text!r} is no number"
            )


def amount_of(case: Case) -> Decimal:
    """The amount that a case asks for; NaN where the log has none, which `check` finds."""
    try:
        return Decimal(case.attributes.get(AMOUNT_ATTRIBUTE, "NaN"))
    except InvalidOperation:
        return Decimal("NaN")


def merged(log: EventLog) -> Iterator[tuple[Case, LogEvent]]:
    """All events of the log as they happened: by instant, then by place in the file."""
    order = [(e.instant_us, case.index, n) for case in log.cases for n, e in enumerate(case.events)]
    order.sort()
    for _, case_index, n in order:
        case = log.cases[case_index]
        yield case, case.events[n]


def requests(log: EventLog) -> Iterator[Request]:
    """All commands of a checked log, in the order of its events."""
    cases: dict[int, CaseMapper] = {}
    for case, event in merged(log):
        mapper = cases.get(case.index)
        if mapper is None:
            mapper = cases[case.index] = CaseMapper(log.name, case)
        yield from mapper.requests_for(event)
        if event is case.events[-1]:
            del cases[case.index]


def number_of_requests(log: EventLog) -> int:
    """How many commands `requests` will yield."""
    events = sum(len(case.events) for case in log.cases)
    opened_otherwise = sum(case.events[0].activity != SUBMITTED for case in log.cases)
    funded = sum({event.activity for event in case.events} >= FUNDED_AFTER for case in log.cases)
    return events + opened_otherwise + funded


class CaseMapper:
    """One case on its way: how many offers were made, what the payment still waits for."""

    __slots__ = ("_amount", "_applied", "_awaited", "_case", "_ended", "_key", "_offers")

    def __init__(self, log_name: str, case: Case) -> None:
        self._case = case
        self._amount = amount_of(case)
        self._key = _key_of(log_name, case.name)
        self._applied = False
        self._ended = False
        self._offers = 0
        self._awaited = set(FUNDED_AFTER)

    def requests_for(self, event: LogEvent) -> Iterator[Request]:
        """What the next event of the case asks for: nothing twice, nothing never."""
        if not self._applied:
            self._applied = True
            yield self._request(event, Kind.APPLY, self._application(), suffix="apply")
            if event.activity == SUBMITTED:
                return
        yield self._meant(event)
        self._ended = self._ended or event.activity in OUTCOMES
        if self._awaited and event.activity in self._awaited:
            self._awaited.discard(event.activity)
            if not self._awaited:
                payment = Disburse(amount=self._amount)
                yield self._request(event, Kind.DISBURSE, payment, suffix="disburse")

    def _application(self) -> Apply:
        name = self._case.name
        return Apply(applicant_id=name, reference=name, amount=self._amount, currency=CURRENCY)

    def _meant(self, event: LogEvent) -> Request:
        kind = MEANINGS.get(event.activity, Kind.NOTE)
        command: Command
        match kind:
            case Kind.CONTEXT:
                command = AttachContext(kind=ContextKind.VERIFICATION, stage=event.activity)
            case Kind.OFFER:
                self._offers += 1
                command = MakeOffer(offer_id=str(self._offers), amount=self._amount)
            case Kind.RETURN if self._offers:
                command = ReturnOffer(offer_id=str(self._offers))
            case Kind.ACCEPT if self._offers:
                command = AcceptOffer(offer_id=str(self._offers))
            case Kind.WITHDRAW_OFFER if self._offers:
                command = WithdrawOffer(offer_id=str(self._offers))
            case Kind.APPROVE:
                command = Decide(outcome=Outcome.APPROVED)
            case Kind.REJECT:
                command = Decide(outcome=Outcome.REJECTED, reasons=(Reason.NOT_RECORDED,))
            case Kind.WITHDRAW:
                command = Withdraw(by=WithdrawnBy.APPLICANT)
            case _:
                return self._request(event, Kind.NOTE, _note(event))
        return self._request(event, kind, command)

    def _request(
        self,
        event: LogEvent,
        kind: Kind,
        command: Command,
        *,
        suffix: str = "",
    ) -> Request:
        number = event.index + 1
        return Request(
            case=self._case.index,
            subject=f"case {self._case.name}, event {number} ({event.activity}), {kind}",
            activity=event.activity,
            after_outcome=self._ended,
            kind=kind,
            command=command,
            key=f"{self._key}/{number}{suffix and '/'}{suffix}",
            actor=quote(event.resource, safe=" ") if event.resource else UNKNOWN_ACTOR,
            instant_us=event.instant_us,
        )


def _key_of(log_name: str, case_name: str) -> str:
    """What the keys of a case begin with: readable where that is short, else its SHA-256."""
    readable = f"{quote(log_name, safe=' ')}/{quote(case_name, safe=' ')}"
    return (
        readable
        if len(readable) <= _CASE_KEY_MAX_CHARACTERS
        else sha256(readable.encode()).hexdigest()
    )


def _note(event: LogEvent) -> AddNote:
    words = " ".join(event.activity.split())
    text = f"{words} {event.transition}" if event.transition else words
    topic = words if len(words) <= _TOPIC_MAX_CHARACTERS else None
    return AddNote(text=text[:_TEXT_MAX_CHARACTERS], topic=topic)
