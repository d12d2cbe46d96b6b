"""Each discrepancy is told apart from every other: by its name, its exit code and its meaning."""

import pytest

from lending.ledger.alignment import align, longest_increasing
from lending.ledger.findings import Discrepancy, Finding, Findings, Suspects


def test_each_has_a_name_an_exit_code_and_a_meaning_of_its_own() -> None:
    codes = [kind.exit_code for kind in Discrepancy]
    assert codes == sorted(set(codes))
    assert min(codes) > 2  # 1 is what could not be done, 2 what was typed wrongly
    assert len({kind.meaning for kind in Discrepancy}) == len(codes)


def finding(kind: Discrepancy, position: int) -> Finding:
    return Finding(kind, position, None, "data", "")


def test_of_too_many_findings_the_gravest_are_kept_and_the_others_counted() -> None:
    found = Findings(limit=3)
    found.add(finding(Discrepancy.PROJECTION_DIFFERS, position) for position in range(5))
    found.add([finding(Discrepancy.TRUNCATED, 9)])
    assert (len(found.kept), found.total) == (3, 6)
    assert found.kept[0].discrepancy is Discrepancy.TRUNCATED
    assert found.counts() == {Discrepancy.TRUNCATED: 1, Discrepancy.PROJECTION_DIFFERS: 5}


def test_suspects_say_that_there_are_more() -> None:
    suspects = Suspects()
    for position in range(1, 1_002):
        suspects.add(position)
    assert (len(suspects.positions), suspects.more) == (1_000, True)


@pytest.mark.parametrize(
    ("origins", "found"),
    [
        ([5, 6, 7], {"rows": 3, "next_origin": 8}),
        ([5, None, 7], {"changed": [(1, 6)]}),
        ([5, 7, 8], {"missing": [6]}),
        ([5, None, 6, 7], {"inserted": [1]}),
        ([5, None, None, 7], {"changed": [(1, 6)], "inserted": [2]}),
        ([6, 5, 7], {"moved": [(0, 6)]}),
        ([8, 5, 6, 7], {"moved": [(0, 8)]}),
        ([None, None], {"changed": [(0, 5), (1, 6)]}),
        ([5, None], {"rows": 1, "next_origin": 6}),  # what follows shows what became of it
    ],
)
def test_rows_are_aligned_with_the_places_they_were_recorded_at(
    origins: list[int | None], found: dict[str, object]
) -> None:
    aligned = align(origins, 5)
    assert {name: getattr(aligned, name) for name in found} == found
    told = {"moved", "changed", "inserted", "missing"} - found.keys()
    assert not any(getattr(aligned, name) for name in told)


def test_the_end_of_the_log_shows_what_became_of_its_last_rows() -> None:
    assert align([5, None], 5, ends=7).changed == [(1, 6)]
    assert align([5, None], 5, ends=6).inserted == [1]
    assert align([5], 5, ends=7).missing == [6]


def test_the_longest_rising_sequence_leaves_the_fewest_out() -> None:
    assert longest_increasing([3, 1, 2, None, 9, 4, 5]) == [1, 2, 5, 6]
    assert longest_increasing([None, None]) == []
