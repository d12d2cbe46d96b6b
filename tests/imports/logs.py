"""Small XES logs, written by hand, and the place of the real one."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from xml.sax.saxutils import quoteattr

import pytest

REAL_LOG = Path(__file__).parents[3] / "shared" / "data" / "bpic2012" / "BPI_Challenge_2012.xes.gz"

needs_real_log = pytest.mark.skipif(
    not REAL_LOG.exists(), reason=f"the BPI Challenge 2012 log is not at {REAL_LOG}"
)

Happening = tuple[str, str] | tuple[str, str, str | None]
"""An activity, its time of day on 2011-10-01 (+02:00) or a whole timestamp, and its resource."""

Written = tuple[str, str, Sequence[Happening]]
"""A case: its name, its amount, what happened."""


def xes(cases: Iterable[Written], name: str = "a small log") -> str:
    """A log of these cases: name, amount, what happened."""
    traces = "".join(_trace(case, amount, happenings) for case, amount, happenings in cases)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<log xes.version="1.0" xmlns="http://www.xes-standard.org/">'
        '<global scope="trace"><string key="concept:name" value="UNKNOWN"/></global>'
        f'<string key="concept:name" value={quoteattr(name)}/>{traces}</log>'
    )


def _trace(case: str, amount: str, happenings: Sequence[Happening]) -> str:
    events = "".join(_event(*happening) for happening in happenings)
    return (
        f'<trace><string key="concept:name" value={quoteattr(case)}/>'
        f'<string key="AMOUNT_REQ" value={quoteattr(amount)}/>{events}</trace>'
    )


def _event(activity: str, time: str, resource: str | None = "112") -> str:
    timestamp = time if "T" in time else f"2011-10-01T{time}+02:00"
    who = "" if resource is None else f'<string key="org:resource" value={quoteattr(resource)}/>'
    return (
        f'<event>{who}<string key="concept:name" value={quoteattr(activity)}/>'
        '<string key="lifecycle:transition" value="COMPLETE"/>'
        f'<date key="time:timestamp" value={quoteattr(timestamp)}/></event>'
    )


FUNDED: Written = (
    "1001",
    "5000",
    [
        ("A_SUBMITTED", "08:00:00"),
        ("A_PARTLYSUBMITTED", "08:00:01"),
        ("A_PREACCEPTED", "08:01:00"),
        ("W_Completeren aanvraag", "08:02:00", None),
        ("A_ACCEPTED", "09:00:00", "10862"),
        ("O_SELECTED", "09:10:00", "10862"),
        ("A_FINALIZED", "09:10:00", "10862"),
        ("O_CREATED", "09:10:01", "10862"),
        ("O_SENT", "09:10:02", "10862"),
        ("O_CANCELLED", "10:00:00", "10862"),
        ("O_SELECTED", "10:00:00", "10862"),
        ("O_CREATED", "10:00:01", "10862"),
        ("O_SENT", "10:00:01", "10862"),
        ("O_SENT_BACK", "11:00:00", "11049"),
        ("A_ACTIVATED", "12:00:00", "10138"),
        ("A_REGISTERED", "12:00:00", "10138"),
        ("A_APPROVED", "12:00:00", "10138"),
        ("O_ACCEPTED", "12:00:00", "10138"),
        ("W_Valideren aanvraag", "12:00:03", "10138"),
    ],
)
"""A case that is paid out, with a cancelled offer before the accepted one."""

REJECTED: Written = (
    "1002",
    "700.50",
    [
        ("A_SUBMITTED", "08:00:00.250"),
        ("A_PARTLYSUBMITTED", "08:00:01"),
        ("O_CREATED", "09:00:00", "10862"),
        ("A_DECLINED", "09:30:00", "10862"),
        ("O_DECLINED", "09:30:00", "10862"),
    ],
)
"""A case whose offer is closed by the rejection before the log withdraws it."""

WORTHLESS: Written = ("1003", "0", [("A_SUBMITTED", "08:30:00"), ("A_PARTLYSUBMITTED", "08:30:01"),
                           ("A_CANCELLED", "08:40:00")])  # fmt: skip
"""A case that the ledger refuses: nothing is applied for."""

OPEN: Written = ("1004", "1200", [("A_SUBMITTED", "08:45:00"), ("A_PARTLYSUBMITTED", "08:45:01")])
"""A case without outcome."""

CANCELLED: Written = (
    "1005",
    "9000",
    [("A_SUBMITTED", "08:50:00"), ("A_CANCELLED", "19:50:00", "11119")],
)
"""A case that was withdrawn."""

NEVER_ACCEPTED: Written = (
    "1006",
    "3000",
    [
        ("A_SUBMITTED", "08:55:00"),
        ("O_CREATED", "09:55:00"),
        ("A_APPROVED", "10:55:00"),
        ("A_REGISTERED", "10:55:00"),
        ("A_ACTIVATED", "10:55:00"),
    ],
)
"""A case that was approved without an accepted offer."""

SMALL_LOG = (FUNDED, REJECTED, WORTHLESS, OPEN, CANCELLED, NEVER_ACCEPTED)
