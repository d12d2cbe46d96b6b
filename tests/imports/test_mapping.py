"""Which event of a log asks for which command."""

from pathlib import Path

from lending.client.encoding import path_of, written
from lending.imports.mapping import Kind, Request, merged, number_of_requests, requests
from lending.imports.xes import EventLog, read_log
from tests.imports.logs import FUNDED, NEVER_ACCEPTED, REJECTED, SMALL_LOG, Happening, Written, xes


def log_of(tmp_path: Path, *cases: Written) -> EventLog:
    path = tmp_path / "log.xes"
    path.write_text(xes(cases))
    return read_log(path)


def asked(tmp_path: Path, *cases: Written) -> list[Request]:
    return list(requests(log_of(tmp_path, *cases)))


def place(request: Request) -> str:
    """Where below the application a command is issued."""
    about = None if request.kind is Kind.APPLY else "x"
    return path_of(request.command, about).removeprefix("/loan/applications").removeprefix("/x")


def test_a_case_becomes_the_commands_of_an_application(tmp_path: Path) -> None:
    asks = [(request.kind, place(request)) for request in asked(tmp_path, FUNDED)]
    assert asks == [
        (Kind.APPLY, ""),
        (Kind.CONTEXT, "/context"),
        (Kind.CONTEXT, "/context"),
        (Kind.NOTE, "/notes"),
        (Kind.CONTEXT, "/context"),
        (Kind.NOTE, "/notes"),
        (Kind.CONTEXT, "/context"),
        (Kind.OFFER, "/offers"),
        (Kind.NOTE, "/notes"),
        (Kind.WITHDRAW_OFFER, "/offers/1/withdrawal"),
        (Kind.NOTE, "/notes"),
        (Kind.OFFER, "/offers"),
        (Kind.NOTE, "/notes"),
        (Kind.RETURN, "/offers/2/return"),
        (Kind.NOTE, "/notes"),
        (Kind.NOTE, "/notes"),
        (Kind.APPROVE, "/decision"),
        (Kind.ACCEPT, "/offers/2/acceptance"),
        (Kind.DISBURSE, "/disbursements"),
        (Kind.NOTE, "/notes"),
    ]


def test_the_bodies_say_what_the_log_says_and_no_more(tmp_path: Path) -> None:
    first = {
        request.kind: written(request.command) for request in reversed(asked(tmp_path, FUNDED))
    }
    assert first == {
        Kind.APPLY: {
            "applicant_id": "1001",
            "reference": "1001",
            "amount": "5000",
            "currency": "EUR",
        },
        Kind.CONTEXT: {"kind": "verification", "stage": "A_PARTLYSUBMITTED"},
        Kind.NOTE: {"text": "W_Completeren aanvraag COMPLETE", "topic": "W_Completeren aanvraag"},
        Kind.OFFER: {"offer_id": "1", "amount": "5000"},
        Kind.WITHDRAW_OFFER: {"offer_id": "1"},
        Kind.RETURN: {"offer_id": "2"},
        Kind.APPROVE: {"outcome": "approved"},
        Kind.ACCEPT: {"offer_id": "2"},
        Kind.DISBURSE: {"amount": "5000"},
    }


def test_a_rejection_says_that_its_reason_was_not_recorded(tmp_path: Path) -> None:
    (rejection,) = (r for r in asked(tmp_path, REJECTED) if r.kind is Kind.REJECT)
    assert written(rejection.command) == {"outcome": "rejected", "reasons": ["not_recorded"]}


def test_the_loan_is_paid_out_with_the_last_of_the_four_whatever_their_order(
    tmp_path: Path,
) -> None:
    name, amount, happenings = FUNDED
    four = ["A_ACTIVATED", "A_REGISTERED", "A_APPROVED", "O_ACCEPTED"]
    for turn in range(4):
        order = iter(four[turn:] + four[:turn])
        turned = [(next(order), h[1]) if h[0] in four else h for h in happenings]
        kinds = [request.kind for request in asked(tmp_path, (name, amount, turned))]
        assert kinds.index(Kind.DISBURSE) == len(kinds) - 2
        assert kinds.count(Kind.DISBURSE) == 1


def test_without_all_four_nothing_is_paid_out(tmp_path: Path) -> None:
    assert Kind.DISBURSE not in {request.kind for request in asked(tmp_path, NEVER_ACCEPTED)}


def test_keys_are_of_log_case_and_event_and_do_not_change_when_the_log_grows(
    tmp_path: Path,
) -> None:
    name, amount, happenings = FUNDED
    before = [request.key for request in asked(tmp_path, (name, amount, happenings[:-1]))]
    after = [request.key for request in asked(tmp_path, FUNDED)]
    assert after[:-1] == before
    assert len(set(after)) == len(after)
    assert after[0] == "a small log/1001/1/apply"
    assert after[18] == "a small log/1001/18/disburse"


def test_keys_stay_short_and_ascii_for_any_name(tmp_path: Path) -> None:
    (request,) = asked(tmp_path, ("ü" * 300, "1", [("A_SUBMITTED", "08:00:00", "José")]))
    assert len(request.key) < 100
    assert request.key.isascii()
    assert request.actor == "Jos%C3%A9"


def test_who_did_it_is_unknown_where_the_log_does_not_say(tmp_path: Path) -> None:
    actors = {request.activity: request.actor for request in asked(tmp_path, FUNDED)}
    assert actors["W_Completeren aanvraag"] == "unknown"
    assert actors["A_ACCEPTED"] == "10862"


def test_a_case_that_begins_otherwise_is_applied_for_at_its_first_event(tmp_path: Path) -> None:
    asks = asked(tmp_path, ("7", "10", [("W_Bellen", "08:00:00"), ("A_SUBMITTED", "09:00:00")]))
    assert [(r.kind, r.instant_us) for r in asks][:2] == [
        (Kind.APPLY, asks[1].instant_us),
        (Kind.NOTE, asks[1].instant_us),
    ]
    assert len({request.key for request in asks}) == 3


def test_an_unknown_activity_and_an_answer_to_no_offer_become_notes(tmp_path: Path) -> None:
    odd: list[Happening] = [
        ("A_SUBMITTED", "08:00:00"),
        ("Phone\n rang", "08:01:00"),
        ("O_SENT_BACK", "08:02:00"),
    ]
    asks = asked(tmp_path, ("7", "10", odd))
    assert [request.kind for request in asks] == [Kind.APPLY, Kind.NOTE, Kind.NOTE]
    assert written(asks[1].command) == {"text": "Phone rang COMPLETE", "topic": "Phone rang"}


def test_what_comes_after_the_outcome_is_marked(tmp_path: Path) -> None:
    asks = asked(tmp_path, REJECTED)
    assert [r.activity for r in asks if r.after_outcome] == ["O_DECLINED"]


def test_cases_are_merged_by_instant_then_by_their_place_in_the_file(tmp_path: Path) -> None:
    log = log_of(tmp_path, *SMALL_LOG)
    order = [(event.instant_us, case.index, event.index) for case, event in merged(log)]
    assert order == sorted(order)
    assert len(order) == sum(len(case.events) for case in log.cases)
    assert number_of_requests(log) == len(list(requests(log)))
