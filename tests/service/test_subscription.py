"""The filter of events: what it admits, and that registry events belong to no application."""

from datetime import UTC, date, datetime
from uuid import UUID

import pytest

from lending.domain.application.state import Stage
from lending.domain.identifiers import registry_id, uuid7
from lending.ledger.leaf import Envelope, Provenance
from lending.service.subscription import EVERYTHING, EventFilter

THIS, OTHER, REGISTRY = uuid7(0, 1, 1), uuid7(0, 1, 2), registry_id(0)
NOW = datetime(2026, 10, 31, tzinfo=UTC)
BY = Provenance(actor="local", actor_kind="system", command_id=uuid7(0, 2, 1), correlation_id="c")


def event(application_id: UUID = THIS, event_type: str = "applied") -> Envelope:
    return Envelope(
        shard=0,
        position=1,
        application_id=application_id,
        version=1,
        event_type=event_type,
        schema_version=1,
        epoch=1,
        recorded_at=NOW,
        effective_at=NOW,
        effective_on=date(2026, 10, 31),
        provenance=BY,
    )


@pytest.mark.parametrize(
    ("wanted", "found", "stage", "matches"),
    [
        (EVERYTHING, event(), None, True),
        (EVERYTHING, event(REGISTRY), None, True),
        (EventFilter(application_id=THIS), event(), None, True),
        (EventFilter(application_id=THIS), event(OTHER), None, False),
        (EventFilter(application_id=REGISTRY), event(REGISTRY), None, False),
        (EventFilter(event_types=frozenset({"applied", "noted"})), event(), None, True),
        (EventFilter(event_types=frozenset({"noted"})), event(), None, False),
        (EventFilter(event_types=frozenset({"applied"})), event(REGISTRY), None, True),
        (EventFilter(stages=frozenset({Stage.INTAKE})), event(), Stage.INTAKE, True),
        (EventFilter(stages=frozenset({Stage.OFFER})), event(), Stage.INTAKE, False),
        (EventFilter(stages=frozenset({Stage.OFFER})), event(REGISTRY), None, False),
        (EventFilter(stages=frozenset({Stage.OFFER})), event(REGISTRY), Stage.OFFER, False),
    ],
)
def test_an_event_is_wanted_by_application_type_and_stage(
    wanted: EventFilter, found: Envelope, stage: Stage | None, *, matches: bool
) -> None:
    assert wanted.matches(found, stage) is matches


def test_every_criterion_that_is_given_must_hold() -> None:
    wanted = EventFilter(THIS, frozenset({"applied"}), frozenset({Stage.INTAKE}))
    assert wanted.matches(event(), Stage.INTAKE)
    assert not wanted.matches(event(event_type="noted"), Stage.INTAKE)
    assert not wanted.matches(event(OTHER), Stage.INTAKE)
    assert not wanted.matches(event(), Stage.OFFER)


def test_only_a_filter_with_stages_needs_the_stage() -> None:
    assert EventFilter(stages=frozenset(Stage)).needs_stage
    assert not EventFilter(THIS, frozenset({"applied"})).needs_stage
    assert EVERYTHING.everything
    assert not EventFilter(THIS).everything
