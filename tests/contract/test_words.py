"""Every event can be told in words, on one line, whatever of it is left."""

from dataclasses import fields, replace
from typing import Any, get_args, get_type_hints

import pytest

from lending.contract.words import SENTENCES, sentence
from lending.domain.application.events import EVENTS
from lending.domain.fields import ERASED, Personal
from lending.ledger.codec import StoredEvent
from tests.ledger.sample_events import SAMPLES


def erased(event: Any) -> StoredEvent:
    """The event after the key of its person was destroyed."""
    hints = get_type_hints(type(event), include_extras=True)
    personal = [
        field.name
        for field in fields(event)
        if any(isinstance(mark, Personal) for mark in get_args(hints[field.name]))
    ]
    found: StoredEvent = replace(event, **dict.fromkeys(personal, ERASED))
    return found


def test_every_event_of_an_application_has_its_sentence() -> None:
    assert set(SENTENCES) == set(EVENTS)
    assert set(SENTENCES) <= {type(event) for event in SAMPLES}


@pytest.mark.parametrize("event", SAMPLES, ids=lambda event: event.stored_as)
def test_an_event_is_told_on_one_line(event: StoredEvent) -> None:
    for told in (sentence(event, "USD"), sentence(erased(event), "USD")):
        assert told
        assert "\n" not in told
        assert "None" not in told
        assert "Erased" not in told
        assert "Decimal" not in told


def test_what_was_erased_is_said_to_be() -> None:
    applied = next(event for event in SAMPLES if event.stored_as == "applied")
    told = sentence(erased(applied), "USD")
    assert told.count("(erased)") == 2
    assert "6500" in sentence(applied, "USD")
    assert "6500" not in told
