"""The registry: what belongs to no application."""

from datetime import UTC, date, datetime, timedelta

from lending.domain.application.events import PolicyCited
from lending.domain.models import ModelRegistered, ModelWithdrawn
from lending.domain.policies import PolicyActivated, PolicyPublished, PolicyWithdrawn
from lending.domain.registry import (
    EMPTY_REGISTRY,
    EpochOpened,
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


def active(registry: Registry, at: datetime = NOW) -> PolicyCited | None:
    found = registry.policies.active(at)
    return None if found is None else found.cited


def activated(version: str, *, days: int | None = None) -> PolicyActivated:
    start = None if days is None else NOW + timedelta(days=days)
    return PolicyActivated(name="p", version=version, effective_from=start)


def test_no_policy_is_active_at_first() -> None:
    assert active(EMPTY_REGISTRY) is None
    assert active(fold(published("1"))) is None


def test_a_policy_is_cited_by_the_position_of_its_publication() -> None:
    assert active(fold(published("1"), activated("1"))) == cited("1", 1)


def test_the_policy_activated_last_is_active() -> None:
    history: list[RegistryEvent] = [
        published("1"),
        published("2"),
        activated("2"),
    ]
    assert active(fold(*history)) == cited("2", 2)
    assert active(fold(*history, activated("1"))) == cited("1", 1)


def test_a_policy_activated_for_later_decides_from_then_on() -> None:
    registry = fold(published("1"), published("2"), activated("2", days=2), activated("1"))
    assert active(registry, NOW + timedelta(days=2, microseconds=-1)) == cited("1", 1)
    assert active(registry, NOW + timedelta(days=2)) == cited("2", 2)


def test_what_was_activated_without_a_date_is_active_by_any_clock() -> None:
    registry = fold(published("1"), activated("1"))
    assert active(registry, NOW - timedelta(seconds=30)) == cited("1", 1)


def test_a_version_is_in_use_while_it_decides_or_is_going_to() -> None:
    known = fold(published("1"), published("2"), activated("1"), activated("2", days=1)).policies
    assert known.in_use("p", "1", NOW)
    assert known.in_use("p", "2", NOW)
    later = NOW + timedelta(days=1)
    assert not known.in_use("p", "1", later)
    assert known.in_use("p", "2", later)


def test_a_version_that_is_withdrawn_stays_on_record() -> None:
    gone = PolicyWithdrawn(name="p", version="1", reason="superseded")
    found = fold(published("1"), gone).policies.version("p", "1")
    assert found is not None
    assert (found.withdrawn, found.cited) == (True, cited("1", 1))


def test_scores_of_a_model_count_from_its_first_day_to_its_last_unless_it_is_withdrawn() -> None:
    model = ModelRegistered(
        name="m",
        version="1",
        artifact_digest="a" * 64,
        owner="risk",
        valid_from=date(2026, 1, 1),
        valid_to=date(2026, 12, 31),
    )
    known = fold(model).models.version("m", "1")
    assert known is not None
    days = [date(2025, 12, 31), date(2026, 1, 1), date(2026, 12, 31), date(2027, 1, 1)]
    assert [known.counts_on(day) for day in days] == [False, True, True, False]
    gone = fold(model, ModelWithdrawn(name="m", version="1", reason="drift")).models
    found = gone.version("m", "1")
    assert found is not None
    assert not found.counts_on(date(2026, 1, 1))


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
    assert list(one.policies.on_record) == [("p", "1")]


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
