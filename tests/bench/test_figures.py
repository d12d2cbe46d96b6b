"""The arithmetic of the figures, and the page they are on."""

import re

import pytest

from tests.bench import page
from tests.bench.figures import (
    HEADINGS,
    Bar,
    Figure,
    as_markdown,
    as_text,
    in_turns,
    number,
    percentile,
    ratio,
)


def test_a_bar_holds_at_its_limit_and_not_beyond() -> None:
    assert Bar(0.45).holds(0.45)
    assert not Bar(0.45).holds(0.449)
    assert Bar(1.3, at_most=True).holds(1.3)
    assert not Bar(1.3, at_most=True).holds(1.301)
    assert Figure(what="anything", value=0.0).passed


def test_a_missed_bar_is_seen_in_the_table() -> None:
    figures = [
        Figure(what="slow", value=0.2, bar=Bar(0.45), beside="a to b"),
        Figure(what="fast", value=20_000, unit="events/s", bar=Bar(15_000)),
    ]
    _, slow, fast = as_text(figures).splitlines()
    assert re.fullmatch(r"slow +0\.20 +≥ 0\.45 +MISSED +a to b", slow)
    assert re.fullmatch(r"fast +20,000 events/s +≥ 15,000 +pass", fast)
    assert "| slow | 0.20 | ≥ 0.45 | MISSED | a to b |" in as_markdown(figures)


def test_measurements_are_taken_in_turns_and_every_other_turn_the_other_way_round() -> None:
    taken: list[str] = []
    gave = in_turns(
        {"a": lambda turn: taken.append(f"a{turn}"), "b": lambda turn: taken.append(f"b{turn}")},
        rounds=3,
    )
    assert taken == ["a0", "b0", "b1", "a1", "a2", "b2"]
    assert {name: len(values) for name, values in gave.items()} == {"a": 3, "b": 3}


def test_a_ratio_is_of_medians() -> None:
    assert ratio([1.0, 2.0, 90.0], [4.0, 4.0, 4.0]) == pytest.approx(0.5)


def test_a_percentile_is_one_of_the_values() -> None:
    values = [float(value) for value in range(1, 101)]
    assert percentile(values, 50) == 51
    assert percentile(values, 99) == 100
    assert percentile([7.0], 99) == 7


def test_numbers_have_the_digits_that_mean_something() -> None:
    assert [number(value) for value in (0.4567, 12.34, 1234.5)] == ["0.46", "12.3", "1,234"]


def test_the_page_has_the_table_of_a_whole_run() -> None:
    text = page.PAGE.read_text()
    measured = text.partition(page.BEGIN)[2].partition(page.END)[0]
    assert f"| {' | '.join(HEADINGS)} |" in measured
    for what in ("commands over HTTP", "the log itself", "projection", "memory", "latency"):
        assert f"| {what}" in measured
    assert "MISSED" not in measured
