"""The registry: what belongs to no application."""

from datetime import UTC, datetime

from lending.domain.application.events import PolicyCited
from lending.domain.registry import (
    EMPTY_REGISTRY,
    EpochOpened,
    PolicyActivated,
    PolicyPublished,
    Recorded,
    Registry,
    RegistryEvent,
    fold_registry,
)
from lending.domain.suspensions import Reinstated, Subject, Suspended, Suspension

NOW = datetime(2026, 3, 9, 12, tzinfo=UTC)


def published(version: str) -> PolicyPublished:
    return PolicyPublished(name="p", version=version, definition="d", digest=version * 64)


def cited(version: str, position: int) -> PolicyCited:
    return PolicyCited(name="p", version=version, digest=version * 64, registry_position=position)


def fold(*events: RegistryEvent) -> Registry:
    return fold_registry(
        EMPTY_REGISTRY, [Recorded(event, position, NOW) for position, event in enumerate(events, 1)]
    )


def test_no_policy_is_active_at_first() -> None:
    assert EMPTY_REGISTRY.active_policy is None
    assert fold(published("1")).active_policy is None


def test_a_policy_is_cited_by_the_position_of_its_publication() -> None:
    registry = fold(published("1"), PolicyActivated(name="p", version="1"))
    assert registry.active_policy == cited("1", 1)


def test_the_policy_activated_last_is_active() -> None:
    history: list[RegistryEvent] = [
        published("1"),
        published("2"),
        PolicyActivated(name="p", version="2"),
    ]
    assert fold(*history).active_policy == cited("2", 2)
    assert fold(*history, PolicyActivated(name="p", version="1")).active_policy == cited("1", 1)


def test_an_epoch_vouches_for_positions_up_to_the_start_of_the_next() -> None:
    opened = EpochOpened(
        epoch=1, first_position=41, reason="failover", system_identifier="7", timeline=2
    )
    registry = fold(published("1"), opened)
    assert registry.cut_after(0) == 41
    assert registry.cut_after(1) is None


def test_an_epoch_whose_own_beginning_was_lost_is_cut_where_the_next_one_begins() -> None:
    later = [
        EpochOpened(
            epoch=epoch, first_position=first, reason="r", system_identifier="7", timeline=epoch
        )
        for epoch, first in ((3, 30), (4, 50))
    ]
    registry = fold(published("1"), *later)
    assert (registry.cut_after(1), registry.cut_after(2), registry.cut_after(3)) == (30, 30, 50)


def test_folding_leaves_what_was_folded_before() -> None:
    one = fold(published("1"))
    fold_registry(one, [Recorded(published("2"), 2, NOW)])
    assert list(one.policies) == [("p", "1")]


def test_what_was_suspended_last_stands_until_it_is_reinstated() -> None:
    stop = Suspended(subject=Subject.PRINCIPAL, name="ada", reason="a drill")
    again = Suspended(subject=Subject.PRINCIPAL, name="ada", reason="no drill")
    other = Suspended(subject=Subject.POLICY, name="ada", reason="a namesake")
    go = Reinstated(subject=Subject.PRINCIPAL, name="ada", reason="over")
    both = fold(published("1"), stop, other, again).suspensions
    assert both.of(Subject.PRINCIPAL, "ada") == Suspension("no drill", 4)
    assert both.of_principals(("zoe", "ada")) == Suspension("no drill", 4)
    after = fold(published("1"), stop, other, again, go).suspensions
    assert after.of_principals(("ada",)) is None
    assert after.of_policy("ada", "1") == Suspension("a namesake", 3)


def test_a_policy_is_suspended_by_its_name_or_in_one_version() -> None:
    known = fold(Suspended(subject=Subject.POLICY, name="p@2", reason="r")).suspensions
    assert known.of_policy("p", "2") == Suspension("r", 1)
    assert known.of_policy("p", "1") is None
    assert known.automation is None
