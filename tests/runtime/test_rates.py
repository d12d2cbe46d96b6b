"""Token buckets: so many at once, so many a second, and no more names than are kept."""

import pytest

from lending.runtime.rates import RateLimits


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    """A fresh clock."""
    return Clock()


def test_a_burst_is_let_through_and_then_the_rate(clock: Clock) -> None:
    rates = RateLimits(10, 5, clock)
    assert [rates.wait_seconds("a", 1) for _ in range(5)] == [0] * 5
    assert rates.wait_seconds("a", 1) == pytest.approx(0.1)
    clock.now += 0.1
    assert rates.wait_seconds("a", 1) == 0
    assert rates.wait_seconds("a", 1) > 0
    clock.now += 1_000
    assert [rates.wait_seconds("a", 1) for _ in range(6)].count(0) == 5


def test_what_is_refused_costs_nothing(clock: Clock) -> None:
    rates = RateLimits(1, 1, clock)
    assert rates.wait_seconds("a", 1) == 0
    for _ in range(100):
        assert rates.wait_seconds("a", 1) == pytest.approx(1)


def test_names_do_not_share_a_bucket(clock: Clock) -> None:
    rates = RateLimits(1, 1, clock)
    assert [rates.wait_seconds(name, 1) for name in "aba"] == [0, 0, 1]


def test_what_is_larger_than_a_bucket_is_owed(clock: Clock) -> None:
    rates = RateLimits(10, 5, clock)
    assert rates.wait_seconds("a", 25) == 0
    assert rates.wait_seconds("a", 1) == pytest.approx(2.1)
    clock.now += 2.1
    assert rates.wait_seconds("a", 1) == 0


def test_who_was_let_in_gets_the_rest_unless_it_owes_some(clock: Clock) -> None:
    rates = RateLimits(1, 1, clock)
    assert rates.wait_seconds("a", 1) == 0
    assert rates.wait_seconds("a", 9, let_in=True) == 0
    assert rates.wait_seconds("a", 9, let_in=True) == pytest.approx(9)


def test_so_many_names_are_kept(clock: Clock) -> None:
    rates = RateLimits(1, 1, clock, keep=2)
    for name in "abca":
        assert rates.wait_seconds(name, 1) == 0
    assert rates.wait_seconds("c", 1) > 0
