"""Events in words: one line each, for somebody who has never seen the ledger."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from lending.client import Event

Data = Mapping[str, Any]


def sentence(event_type: str, data: Data, currency: str) -> str:
    """What an event of the API says, in words."""
    tell = _WORDS.get(event_type)
    return tell(data, currency) if tell else event_type.replace("_", " ")


def who(event: Event) -> str:
    """On whose behalf, else by whom."""
    return str(event.on_behalf_of or event.actor)


def _terms(data: Data, currency: str) -> str:
    amount = f"{currency} {data['amount']}"
    term = f" over {data['term_months']} months" if data.get("term_months") else ""
    rate = f" at {data['rate_percent']} % a year" if data.get("rate_percent") else ""
    return f"{amount}{term}{rate}"


def _applied(data: Data, currency: str) -> str:
    purpose = f" for {data['purpose']}" if data.get("purpose") else ""
    return f"{data['applicant_id']} applies for {_terms(data, currency)}{purpose}"


def _context(data: Data, _: str) -> str:
    facts = ", ".join(f"{name}: {value}" for name, value in (data.get("facts") or {}).items())
    about = [str(data["kind"]).replace("_", " "), data.get("stage"), facts]
    return "puts on file: " + "; ".join(part for part in about if part)


def _scored(data: Data, _: str) -> str:
    factors = f", because of {', '.join(data['factors'])}" if data.get("factors") else ""
    return f"scores {data['score']} by {data['model']} {data['model_version']}{factors}"


def _decided(data: Data, currency: str) -> str:
    by = "" if data["decider"] == "principal" else f" by {data['decider']}"
    terms = f": {_terms(data, currency)}" if data.get("amount") else ""
    return f"decides {data['outcome']}{by}{terms}{_reasons(data)}"


def _overridden(data: Data, currency: str) -> str:
    terms = f": {_terms(data, currency)}" if data.get("amount") else ""
    return f"overrides, {data['outcome']}{terms}{_reasons(data)}, saying: {data['justification']}"


def _reasons(data: Data) -> str:
    reasons = ", ".join(str(reason).replace("_", " ") for reason in data.get("reasons") or ())
    return f", because: {reasons}" if reasons else ""


def _offer(words: str) -> Callable[[Data, str], str]:
    return lambda data, _: words.format(data["offer_id"])


_WORDS: Final[Mapping[str, Callable[[Data, str], str]]] = MappingProxyType(
    {
        "applied": _applied,
        "context_attached": _context,
        "scored": _scored,
        "decided": _decided,
        "overridden": _overridden,
        "notice_sent": lambda data, _: (
            f"sends the {data['kind'].replace('_', ' ')} notice by {data['channel']}"
        ),
        "withdrawn": lambda data, _: f"withdraws for the {data['by']}",
        "offered": lambda data, currency: (
            f"offers {_terms(data, currency)} (offer {data['offer_id']})"
        ),
        "offer_returned": _offer("gets offer {} back, signed"),
        "offer_accepted": _offer("takes the customer's yes to offer {}"),
        "offer_refused": _offer("takes the customer's no to offer {}"),
        "offer_withdrawn": _offer("withdraws offer {}"),
        "disbursed": lambda data, currency: f"pays out {currency} {data['amount']}",
        "noted": lambda data, _: f"notes: {data['text']}",
    }
)
