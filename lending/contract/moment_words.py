"""An application's moments as text, and its timeline as a page: what moments.py says, for people.

What belongs here: lines and tables out of what the JSON answers say, so that both say the same.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from html import escape
from typing import Any, Final

from lending.contract.pages import PROSE, page, table
from lending.contract.words import quoted
from lending.ledger.canonical import instant_text
from lending.ledger.plain import decimal_text, plain

Said = Mapping[str, Any]
"""An answer before it is written as JSON."""

_INDENT: Final = "     "
_WORD: Final = re.compile(r"[\w.:@+/-]+")


def timeline_text(said: Said) -> str:
    """A timeline, one line an event and one for each field that it changed."""
    return _joined(_timeline(said))


def _timeline(said: Said) -> Iterator[str]:
    yield f"Application {said['application_id']} as of {_moment(said)}."
    for one in said["items"]:
        yield told(one)
        yield from (f"{_INDENT}{_changed(change)}" for change in one["changes"])
    if said["next"] is not None:
        yield f"(more follow behind version {said['next']})"


def told(one: Said) -> str:
    """An event in one line: version, when recorded, who, what, and from when it counts."""
    other = one["effective_at"] != one["recorded_at"]
    counts = f" (counting from {_text(one['effective_at'])})" if other else ""
    return f"{one['version']}. {_text(one['recorded_at'])} {one['by']} {one['says']}{counts}"


def difference_text(said: Said) -> str:
    """Two moments held against each other."""
    return _joined(_difference(said))


def _difference(said: Said) -> Iterator[str]:
    first = "nothing on record" if said["from"] is None else _moment(said["from"])
    yield f"Application {said['application_id']}, from {first} to {_moment(said['to'])}."
    yield "What differs:" if said["differences"] else "Nothing differs."
    yield from (f"{_INDENT}{_changed(one)}" for one in said["differences"])
    for side, words in (("to", "Counts only later on:"), ("from", "Counts only at the first:")):
        events = [one for one in said["events"] if one["counts_at"] == side]
        yield from [words, *map(told, events)] if events else []
    yield from _more(said)


def decision_text(said: Said) -> str:
    """What a decider could see."""
    return _joined(_decision(said))


def _decision(said: Said) -> Iterator[str]:
    decision = said["decision"]
    yield f"The decision of application {said['seen']['application_id']}:"
    yield told(decision)
    yield f"On record right before it, as of {_moment(said['seen'])}:"
    yield from (f"{_INDENT}{line}" for line in _fields("", _state(said["seen"])))
    yield from _basis(said)
    yield from _events(
        "On record by then, but counting only from later on:", said["counting_later"]
    )
    yield from _events(
        "Recorded afterwards and counting from before it, so not known then:",
        said["known_afterwards"],
    )
    yield from _more(said)


def _basis(said: Said) -> Iterator[str]:
    """The score, the policy and the facts."""
    score, cited, active = said["score"], said["policy"]["cited"], said["policy"]["active"]
    yield "The score on record: none." if score is None else f"The score on record: {told(score)}"
    if score is not None:
        yield f"Its model then: {_model(score['registered'])}."
    if cited is not None:
        then = "on record as cited" if cited["on_record"] else "not on record as cited"
        gone = ", withdrawn" if cited["withdrawn"] else ""
        yield f"The policy cited: {cited['name']} version {cited['version']}, {then}{gone}."
    named = "none" if active is None else f"{active['name']} version {active['version']}"
    yield f"The policy that was active: {named}."
    for name, words in (("facts", "The facts used:"), ("personal_facts", "Of the person:")):
        if said[name]:
            yield words
            yield from (f"{_INDENT}{line}" for line in _fields("", said[name]))


def _model(registered: Said | None) -> str:
    if registered is None:
        return "not registered"
    until = f" to {registered['valid_to']}" if registered["valid_to"] else " on"
    gone = ", withdrawn" if registered["withdrawn"] else ""
    return (
        f"registered by {registered['owner']}, valid from {registered['valid_from']}{until}{gone}"
    )


def _events(words: str, events: Sequence[Said]) -> list[str]:
    return [words, *map(told, events)] if events else []


def _more(said: Said) -> list[str]:
    return ["(there are more events than are told here)"] if said["more"] else []


def application_text(said: Said) -> str:
    """An application at a moment, a line for each thing that is known of it."""
    lines = _fields("", _state(said))
    return _joined([f"Application {said['application_id']} as of {_moment(said)}.", *lines])


def _state(said: Said) -> dict[str, Any]:
    beside = ("application_id", "version", "position", "recorded_at", "allowed_commands")
    return {name: value for name, value in said.items() if name not in beside}


def _fields(name: str, value: Any) -> Iterator[str]:
    """What is known, a line each; what is not known has none."""
    if isinstance(value, Mapping) and value.keys() != {"erased"}:
        for part, item in value.items():
            yield from _fields(f"{name}.{part}" if name else str(part), item)
    elif isinstance(value, list) and value and isinstance(value[0], Mapping):
        for index, item in enumerate(value, 1):
            yield from _fields(f"{name} {index}", item)
    elif value is not None and value != []:
        yield f"{name}: {_text(value)}"


def _changed(change: Said) -> str:
    return f"{_named(change)}: {_text(change['before'])} -> {_text(change['after'])}"


def _named(change: Said) -> str:
    return str(change["pointer"]).removeprefix("/")


def _moment(said: Said) -> str:
    return (
        f"version {said['version']}, position {said['position']}, recorded at"
        f" {_text(said['recorded_at'])}"
    )


def _text(value: Any) -> str:
    """A value on one line; what is more than a word stands in quotation marks."""
    if value is None:
        return "nothing"
    if isinstance(value, datetime):
        return instant_text(value)
    if isinstance(value, Decimal):
        return decimal_text(value)
    if isinstance(value, str | date):
        text = str(plain(value))
        return text if _WORD.fullmatch(text) else quoted(text)
    found = plain(value)
    return "(erased)" if found == {"erased": True} else json.dumps(found, ensure_ascii=False)


def _joined(lines: Iterator[str] | Sequence[str]) -> str:
    return "\n".join(lines) + "\n"


def timeline_page(said: Said) -> bytes:
    """A timeline as a page that prints on paper."""
    title = f"Timeline of application {said['application_id']}"
    rows = [
        (
            one["version"], one["position"], one["recorded_at"],
            one["effective_at"] if one["effective_at"] != one["recorded_at"] else None, one["by"], one["says"],
            "; ".join(map(_changed, one["changes"])),
        )
        for one in said["items"]
    ]  # fmt: skip
    heads = ("version", "position", "recorded at", "counts from", "by", "what", "changed")
    more = f"More follow behind version {said['next']}." if said["next"] is not None else ""
    parts = [
        f"<h1>{escape(title)}</h1>",
        f"<p>As of {escape(_moment(said))}.</p>",
        table("What happened", heads, rows),
        f"<p>{escape(more)}</p>",
    ]
    return page(title, parts, PROSE)
