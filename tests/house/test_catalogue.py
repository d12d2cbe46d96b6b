"""The pages that are made from the code say what the code says."""

from pathlib import Path

import pytest

import tests
from lending.cli.catalogue import pages

REFERENCE = Path(tests.__file__).parents[1] / "docs" / "reference"


@pytest.mark.parametrize(("name", "text"), pages().items(), ids=pages())
def test_a_page_made_from_the_code_is_current(name: str, text: str) -> None:
    assert (REFERENCE / name).read_text() == text, "run: lending catalogue"
