"""What the tests of the import share: the real log, read once."""

import pytest

from lending.imports.xes import EventLog, read_log
from tests.imports.logs import REAL_LOG


@pytest.fixture(scope="session")
def real_log() -> EventLog:
    """The BPI Challenge 2012 log; the test is skipped where it is absent."""
    if not REAL_LOG.exists():
        pytest.skip(f"the BPI Challenge 2012 log is not at {REAL_LOG}")
    return read_log(REAL_LOG)
