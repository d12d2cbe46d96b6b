"""What the closing table says: the log beside the read model, each difference in words."""

from datetime import timedelta
from pathlib import Path

from rich.console import Console

from lending.imports.mapping import Kind
from lending.imports.report import in_words, print_commands, print_comparison
from lending.imports.sender import Counted, Result, Sent
from lending.imports.summary import Row, compare, status_in_log
from lending.imports.xes import EPOCH, EventLog, read_log
from tests.imports.logs import SMALL_LOG, xes


def small_log(tmp_path: Path) -> EventLog:
    path = tmp_path / "log.xes"
    path.write_text(xes(SMALL_LOG))
    return read_log(path)


def rows_of(log: EventLog, statuses: dict[str, str]) -> tuple[Sent, list[Row]]:
    sent = Sent()
    rows = []
    for case in log.cases:
        if case.name not in statuses:
            continue
        sent.applications[case.index] = f"id-{case.name}"
        at = EPOCH + timedelta(microseconds=case.events[0].instant_us)
        outcome = None if statuses[case.name] == "pending" else at + timedelta(hours=1)
        rows.append(Row(f"id-{case.name}", statuses[case.name], at, outcome))
    return sent, rows


STORED = {"1001": "active", "1002": "rejected", "1004": "pending", "1005": "withdrawn",
          "1006": "approved"}  # fmt: skip


def test_the_logs_own_words_give_each_case_a_status(tmp_path: Path) -> None:
    assert {case.name: status_in_log(case) for case in small_log(tmp_path).cases} == {
        "1001": "active",
        "1002": "rejected",
        "1003": "withdrawn",
        "1004": "pending",
        "1005": "withdrawn",
        "1006": "active",
    }


def test_counts_stand_side_by_side(tmp_path: Path) -> None:
    log = small_log(tmp_path)
    sent, rows = rows_of(log, STORED)
    comparison = compare(log, sent, [*rows, Row("another", "pending", EPOCH, None)])
    assert comparison.statuses == [
        ("pending", 1, 1),
        ("approved", 0, 1),
        ("active", 2, 1),
        ("rejected", 1, 1),
        ("withdrawn", 2, 1),
    ]
    assert (comparison.in_the_log, comparison.in_the_ledger) == (6, 5)
    assert comparison.strangers == 1


def test_every_difference_is_explained_by_what_the_log_or_the_ledger_says(tmp_path: Path) -> None:
    log = small_log(tmp_path)
    sent, rows = rows_of(log, STORED)
    sent.refused_cases[2] = "amount_not_positive"
    sent.unsent[2] = 2
    words = compare(log, sent, rows).explanations
    assert words[:2] == [
        "1 active in the log, approved here: the log has no O_ACCEPTED, and without an accepted "
        "offer nothing is paid out (case 1006).",
        "1 withdrawn in the log, not in the ledger: the application itself was refused "
        "(amount_not_positive), so 2 later events of it were not sent (case 1003).",
    ]


def test_a_difference_nobody_foresaw_names_the_first_refusal_or_the_ledger(tmp_path: Path) -> None:
    log = small_log(tmp_path)
    sent, rows = rows_of(log, {**STORED, "1001": "pending", "1002": "pending"})
    sent.first_refusals[0] = "O_ACCEPTED was refused (offer_lapsed)"
    words = " ".join(compare(log, sent, rows).explanations)
    assert "active in the log, pending here: O_ACCEPTED was refused (offer_lapsed)" in words
    assert "rejected in the log, pending here: no command was refused" in words


def test_what_came_after_the_outcome_is_counted_by_its_answer(tmp_path: Path) -> None:
    log = small_log(tmp_path)
    sent, rows = rows_of(log, STORED)
    late = Counted("O_DECLINED", Kind.WITHDRAW_OFFER, True, Result.ALREADY_SO, "", False)
    sent.answers[late] = 1
    words = compare(log, sent, rows).explanations
    assert (
        "3 cases went on after the outcome. That made 1 already so (1 withdraw_offer)."
    ) in words
    assert "1 O_DECLINED already so: the outcome had closed it with the application." in words


def test_durations_read_in_hours_and_then_in_days() -> None:
    assert in_words(timedelta(seconds=57_097)) == "15.9 hours"
    assert in_words(timedelta(days=30, hours=11, minutes=7)) == "30.5 days"
    assert in_words(None) == "-"


def test_all_of_it_prints_without_a_terminal(tmp_path: Path) -> None:
    log = small_log(tmp_path)
    sent, rows = rows_of(log, STORED)
    sent.answers[Counted("A_SUBMITTED", Kind.APPLY, False, Result.REFUSED, "held", True)] = 1
    with (tmp_path / "out").open("w") as file:
        console = Console(file=file, width=100)
        print_commands(console, sent, 2.0)
        print_comparison(console, compare(log, sent, rows))
    printed = (tmp_path / "out").read_text()
    assert "refused: held" in printed
    assert "From apply to outcome" in printed
