"""Log lines go to stderr in one form, whoever wrote them; metrics go to the registry that was given."""

import json
import logging
from collections.abc import Iterator

import pytest
import structlog
from prometheus_client import generate_latest

from lending.runtime.settings import LogFormat, LogLevel
from lending.runtime.telemetry import bound, configure_logs, new_registry


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield
    root.handlers = handlers
    root.setLevel(level)


def test_lines_of_ours_and_of_libraries_are_json_with_what_is_bound(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure_logs(LogFormat.JSON, LogLevel.INFO)
    with bound(request_id="r1"):
        structlog.stdlib.get_logger("ours").info("happened", position=7)
        logging.getLogger("library").warning("noticed %s", "this")
    structlog.stdlib.get_logger("ours").debug("not shown")
    out, err = capsys.readouterr()
    assert out == ""
    first, second = [json.loads(line) for line in err.splitlines()]
    assert (first["event"], first["position"], first["request_id"]) == ("happened", 7, "r1")
    assert (second["event"], second["logger"], second["request_id"]) == (
        "noticed this",
        "library",
        "r1",
    )
    assert first["level"] == "info"
    assert first["timestamp"].endswith("Z")


def test_a_fault_is_logged_with_where_it_happened(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs(LogFormat.JSON, LogLevel.INFO)
    try:
        int("sensitive"[0:0])
    except ValueError:
        structlog.stdlib.get_logger("ours").exception("failed")
    line = json.loads(capsys.readouterr().err)
    assert line["exception"][0]["exc_type"] == "ValueError"
    assert "locals" not in json.dumps(line)


def test_lines_for_people_hold_no_colour_codes_where_nobody_watches(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure_logs(LogFormat.CONSOLE, LogLevel.INFO)
    structlog.stdlib.get_logger("ours").info("happened", position=7)
    line = capsys.readouterr().err
    assert "\x1b" not in line
    assert "happened" in line
    assert "position=7" in line


def test_registries_are_independent() -> None:
    first, second = new_registry(), new_registry()
    assert first is not second
    assert b"process_resident_memory_bytes" in generate_latest(first)
