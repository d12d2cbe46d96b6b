"""Reading a log: what is read, in which order, and what is refused in which words."""

import gzip
import re
from pathlib import Path

import pytest

from lending.imports.errors import ImportStopped, MalformedCase, UnreadableLog
from lending.imports.mapping import check
from lending.imports.xes import EPOCH, instant_us, read_log
from tests.imports.logs import FUNDED, OPEN, REJECTED, SMALL_LOG, xes


def written(tmp_path: Path, content: str | bytes, name: str = "log.xes") -> Path:
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_a_log_reads_the_same_plain_and_compressed_whatever_its_name(tmp_path: Path) -> None:
    plain = read_log(written(tmp_path, xes(SMALL_LOG)))
    packed = read_log(written(tmp_path, gzip.compress(xes(SMALL_LOG).encode()), "log.bin"))
    assert packed == plain
    assert plain.name == "a small log"
    assert [case.name for case in plain.cases] == [name for name, _, _ in SMALL_LOG]


def test_events_are_ordered_by_instant_and_then_by_their_place_in_the_file(tmp_path: Path) -> None:
    late_first = ("9", "1", [("B", "10:00:00"), ("A", "09:00:00"), ("C", "09:00:00")])
    (case,) = read_log(written(tmp_path, xes([late_first]))).cases
    assert [(event.activity, event.index) for event in case.events] == [
        ("A", 1),
        ("C", 2),
        ("B", 0),
    ]


def test_an_instant_is_exact_to_the_microsecond_across_zones() -> None:
    assert instant_us("1970-01-01T02:00:00.000001+02:00") == 1
    assert instant_us("2011-10-01T00:38:44.546+02:00") == instant_us("2011-09-30T22:38:44.546Z")
    assert EPOCH.tzinfo is not None


def test_a_limit_reads_the_first_cases_only(tmp_path: Path) -> None:
    log = read_log(written(tmp_path, xes(SMALL_LOG)), limit=2)
    assert [case.name for case in log.cases] == ["1001", "1002"]


def test_a_trace_without_events_is_left_out_and_named(tmp_path: Path) -> None:
    log = read_log(written(tmp_path, xes([("7", "1", []), OPEN])))
    assert [case.name for case in log.cases] == ["1004"]
    assert log.empty_cases == ("7",)


def test_a_log_without_a_namespace_is_a_log(tmp_path: Path) -> None:
    text = xes([OPEN]).replace(' xmlns="http://www.xes-standard.org/"', "")
    assert len(read_log(written(tmp_path, text)).cases) == 1


def test_a_resource_that_is_missing_is_none(tmp_path: Path) -> None:
    (case,) = read_log(written(tmp_path, xes([FUNDED]))).cases
    assert [event.activity for event in case.events if event.resource is None] == [
        "W_Completeren aanvraag"
    ]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "no element found"),
        (b"case;activity\n1;A\n", "not an XES log"),
        (b"<html><body/></html>", "its root element is <html>, not <log>"),
        (xes(SMALL_LOG).encode()[:-200], "cut off"),
        (gzip.compress(xes(SMALL_LOG).encode())[:-300], "cut off or damaged"),
        (gzip.compress(xes(SMALL_LOG).encode())[:40] + b"\0" * 60, "cut off or damaged"),
        (b"\x1f\x8bnot really", "cut off or damaged"),
        (b"<?xml version='1.0' encoding='no-such-code'?><log/>", "not an XES log"),
    ],
    ids=["empty", "csv", "html", "cut XML", "cut gzip", "torn gzip", "no gzip", "encoding"],
)
def test_what_is_no_whole_log_is_refused(tmp_path: Path, content: bytes, words: str) -> None:
    with pytest.raises(UnreadableLog, match=re.escape(words)):
        read_log(written(tmp_path, content))


def test_a_missing_file_and_a_directory_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableLog, match="No such file"):
        read_log(tmp_path / "absent.xes")
    with pytest.raises(UnreadableLog, match="directory"):
        read_log(tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('key="concept:name" value="1004"', 'key="name" value="1004"', "case number 2: the trace has no concept:name"),
        ('value="1004"', 'value="1002"', "case 1002: a second trace has this name"),
        ('value="A_DECLINED"', 'value=""', "case 1002, event 4: the event has no concept:name"),
        ('key="time:timestamp" value="2011-10-01T09:30:00+02:00"', 'key="t" value="1"',
         "case 1002, event 4: the event has no time:timestamp"),
        ("2011-10-01T09:30:00+02:00", "2011-10-01T09:30:00", "has no zone"),
        ("2011-10-01T09:30:00+02:00", "yesterday", "case 1002, event 4"),
        ("2011-10-01T09:30:00+02:00", "2011-13-01T09:30:00+02:00", "case 1002, event 4"),
        ('key="AMOUNT_REQ" value="1200"', 'key="AMOUNT" value="1200"', "case 1004: the trace has no AMOUNT_REQ"),
        ('value="1200"', 'value="much"', "case 1004: its AMOUNT_REQ 'much' is no number"),
        ('value="1200"', 'value="Infinity"', "case 1004: its AMOUNT_REQ 'Infinity' is no number"),
    ],
)  # fmt: skip
def test_what_a_case_lacks_is_said_with_its_name(
    tmp_path: Path, old: str, new: str, words: str
) -> None:
    text = xes([REJECTED, OPEN])
    assert old in text
    path = written(tmp_path, text.replace(old, new))
    with pytest.raises(MalformedCase, match=re.escape(words)):
        check(path, read_log(path))


def test_every_cause_is_one_kind_of_error() -> None:
    assert issubclass(UnreadableLog, ImportStopped)
    assert issubclass(MalformedCase, ImportStopped)
