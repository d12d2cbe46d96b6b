"""A notice to the applicant as it is answered: as data, and as a letter that prints on paper.

The words follow the sample forms C-1, C-4 and C-6 of Regulation B (12 CFR 1002, Appendix C).
"""

import hashlib
from collections.abc import Iterable, Mapping
from datetime import date
from html import escape
from typing import Any, Final, NamedTuple
from uuid import UUID

from lending.contract.positions import position_text
from lending.domain.application.commands import NoticeKind
from lending.domain.application.notices import Notice
from lending.domain.identifiers import shard_of
from lending.service.aggregates import Aggregate

ECOA_NOTICE: Final = (
    "The Federal Equal Credit Opportunity Act prohibits creditors from discriminating against credit "
    "applicants on the basis of race, color, religion, national origin, sex, marital status, age "
    "(provided the applicant has the capacity to enter into a binding contract); because all or part "
    "of the applicant's income derives from any public assistance program; or because the applicant "
    "has in good faith exercised any right under the Consumer Credit Protection Act. The Federal "
    "agency that administers compliance with this law concerning this creditor is {agency}."
)
"""The notice of 12 CFR 1002.9(b)(1)."""

OMITS: Final = (
    "applicant's name and address",
    "disclosures of the Fair Credit Reporting Act, section 615 (15 U.S.C. 1681m)",
)
"""What a letter may need besides, and the ledger does not know."""

ACTIONS: Final[Mapping[NoticeKind, str]] = {
    NoticeKind.ADVERSE_ACTION: "We are unable to grant you the credit that you applied for.",
    NoticeKind.COUNTER_OFFER: "We are unable to offer you credit on the terms that you requested.",
    NoticeKind.APPROVAL: "We have approved your application for credit.",
    NoticeKind.INCOMPLETENESS: "Your application is incomplete. We need the information below to"
    " consider it.",
}
"""The statement of the action taken, by kind."""

_TITLES: Final[Mapping[NoticeKind, str]] = {
    NoticeKind.ADVERSE_ACTION: "Notice of action taken and statement of reasons",
    NoticeKind.COUNTER_OFFER: "Notice of action taken, statement of reasons and counter-offer",
    NoticeKind.APPROVAL: "Notice of approval",
    NoticeKind.INCOMPLETENESS: "Notice of incomplete application and request for information",
}
_STYLE: Final = (
    "body{font:12pt/1.5 Georgia,serif;max-width:42em;margin:3em auto;padding:0 1em}"
    "h1{font-size:1.15em}address{font-style:normal;white-space:pre-line}"
    "@media print{body{margin:0;max-width:none}}"
)


class Party(NamedTuple):
    """The creditor, or the agency that supervises it: a name and a postal address."""

    name: str
    address: str

    @property
    def line(self) -> str:
        """Name and address in one line."""
        return ", ".join([self.name, *self.address.splitlines()])


class Sender(NamedTuple):
    """From whom notices come, and which agency they name."""

    creditor: Party
    agency: Party


def notice(
    application_id: UUID, found: Aggregate, written: Notice, sender: Sender, on: date
) -> dict[str, Any]:
    """A notice as data. `letter_sha256` is the digest of the letter, as `digest` names the one sent."""
    said = _said(application_id, found, written, sender, on)
    return {**said, "letter_sha256": hashlib.sha256(letter(said)).hexdigest()}


def _said(
    application_id: UUID, found: Aggregate, written: Notice, sender: Sender, on: date
) -> dict[str, Any]:
    state, terms = found.state, written.counter_offer
    information = {"items": list(written.missing), "respond_by": written.respond_by}
    incomplete = written.kind is NoticeKind.INCOMPLETENESS
    adverse = written.kind in (NoticeKind.ADVERSE_ACTION, NoticeKind.COUNTER_OFFER)
    return {
        "application_id": application_id,
        "version": found.version,
        "position": position_text(shard_of(application_id), found.position),
        "on": on,
        "kind": written.kind,
        "record_as": list(written.records),
        "applicant_id": state.applicant_id,
        "reference": state.reference,
        "creditor": sender.creditor._asdict(),
        "agency": sender.agency._asdict() if adverse else None,
        "amount": state.amount,
        "currency": state.currency,
        "term_months": state.term_months,
        "action": ACTIONS[written.kind],
        "reasons": [one._asdict() for one in written.reasons],
        "counter_offer": None if terms is None else terms._asdict(),
        "information": information if incomplete else None,
        "ecoa_notice": ECOA_NOTICE.format(agency=sender.agency.line) if adverse else None,
        "omits": list(OMITS if adverse else OMITS[:1]),
    }


def letter(said: Mapping[str, Any]) -> bytes:
    """A notice as a page that prints on paper."""
    title = _TITLES[said["kind"]]
    creditor = said["creditor"]
    credit = "Approved" if said["kind"] is NoticeKind.APPROVAL else "Requested"
    parts = [
        f"<address><strong>{escape(creditor['name'])}</strong>\n{escape(creditor['address'])}</address>",
        f"<p>{said['on']:%d %B %Y}</p>",
        f"<h1>{title}</h1>",
        f"<p>Applicant: {escape(said['applicant_id'])}<br>Application: {escape(_named(said))}<br>"
        f"{credit} credit: {escape(_credit(said, said['currency']))}</p>",
        f"<p>{escape(said['action'])}</p>",
        *_body(said),
    ]
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{title}</title>"
        f"<style>{_STYLE}</style><body>{''.join(parts)}</body></html>"
    ).encode()


def _body(said: Mapping[str, Any]) -> Iterable[str]:
    if said["reasons"]:
        yield "<p>Our principal reasons are:</p>"
        yield _items(reason["text"] for reason in said["reasons"])
    if said["counter_offer"] is not None:
        terms = escape(_credit(said["counter_offer"], said["currency"]))
        yield f"<p>We can, however, offer you credit on the following terms: {terms}.</p>"
    if said["information"] is not None:
        until = said["information"]["respond_by"]
        yield _items(item.replace("_", " ") for item in said["information"]["items"])
        yield (
            f"<p>We must have it by {until:%d %B %Y}. If we do not, we will give the application no"
            " further consideration.</p>"
        )
    if said["ecoa_notice"] is not None:
        yield f"<p>{escape(said['ecoa_notice'])}</p>"


def _items(texts: Iterable[str]) -> str:
    return (
        f"<ul>{''.join(f'<li>{escape(text[:1].upper() + text[1:])}</li>' for text in texts)}</ul>"
    )


def _named(said: Mapping[str, Any]) -> str:
    own = str(said["application_id"])
    return own if said["reference"] is None else f"{said['reference']} ({own})"


def _credit(terms: Mapping[str, Any], currency: str) -> str:
    months = terms["term_months"]
    return f"{terms['amount']} {currency}{f' over {months} months' if months else ''}"
