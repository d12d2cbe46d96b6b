"""Where the cases of others come from, and how each becomes a test.

A test marked `oracle(FILE, KEY)` runs once for each case in the list KEY of that file: of the
directory that `--oracles` names, else of `cases/` here, else of `oracles/` beside the project.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from tests.conformance.report import PAGE, Report

_HERE: Final = Path(__file__).parent / "cases"
_BESIDE: Final = Path(__file__).parents[3] / "shared" / "oracles"


def _file(config: pytest.Config, name: str) -> Path | None:
    given = config.getoption("--oracles")
    places = [Path(given)] if given else [_HERE, _BESIDE]
    return next((place / name for place in places if (place / name).exists()), None)


@pytest.fixture
def oracle_file(request: pytest.FixtureRequest) -> Callable[[str], Any]:
    """Reads a file of cases whole."""

    def read(name: str) -> Any:
        path = _file(request.config, name)
        assert path is not None
        return json.loads(path.read_text(encoding="utf-8"))

    return read


def _named(case: Any, number: int) -> str:
    return str(
        case.get("id", f"{number}-{case.get('fn', case.get('convention', case.get('start')))}")
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make a test of each case."""
    mark = metafunc.definition.get_closest_marker("oracle")
    if mark is None:
        return
    name, key = mark.args
    path = _file(metafunc.config, name)
    if path is None:
        absent = pytest.mark.skip(f"there is no {name}")
        metafunc.parametrize("case", [pytest.param({}, id="absent", marks=absent)])
        return
    cases = json.loads(path.read_text(encoding="utf-8"))[key]
    metafunc.parametrize("case", [pytest.param(c, id=_named(c, n)) for n, c in enumerate(cases)])


_REPORT: Final = Report()


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Take what came of each case."""
    _REPORT.add(report)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write the page where that is asked for; else hold it against a run of all cases."""
    if hasattr(session.config, "workerinput") or not _REPORT.whole:
        return
    if session.config.getoption("--write-report"):
        PAGE.write_text(_REPORT.page(), encoding="utf-8")
    elif not PAGE.exists() or PAGE.read_text(encoding="utf-8") != _REPORT.page():
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
        print(f"\n{PAGE.name} is not what the run gave: pytest tests/conformance --write-report")  # noqa: T201 for whoever runs it
