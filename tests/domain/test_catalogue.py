"""The reference in docs/ says what the code says."""

from pathlib import Path

import pytest

from lending.cli.catalogue import catalogue, pages
from lending.domain.application.commands import COMMANDS, command_name
from lending.domain.application.events import EVENTS
from lending.domain.application.reasons import Reason
from lending.domain.application.refusals import Refusal
from lending.runtime.errors import OperatorError

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"


@pytest.mark.parametrize("name", pages())
def test_the_pages_are_current(name: str) -> None:
    """If not: `lending catalogue`."""
    assert (REFERENCE / name).read_text("utf-8") == pages()[name]


def test_every_command_event_refusal_and_reason_is_in_them() -> None:
    made = pages()
    assert all(f"## {command_name(kind)}\n" in made["commands.md"] for kind in COMMANDS)
    assert all(f"## {kind.stored_as}\n" in made["events.md"] for kind in EVENTS)
    assert all(f"| `{refusal.code}` |" in made["refusals.md"] for refusal in Refusal)
    assert all(f"| `{reason.value}` |" in made["reasons.md"] for reason in Reason)


def test_personal_fields_are_named_as_such() -> None:
    made = pages()
    assert "| `income` | decimal, *personal* |" in made["events.md"]
    assert "| `amount` | decimal | *required* |" in made["events.md"]


def test_a_page_that_is_not_current_is_found_and_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(OperatorError, match=r"not current: commands\.md"):
        catalogue(directory=tmp_path, check=True)
    assert list(tmp_path.iterdir()) == []
    catalogue(directory=tmp_path, check=False)
    catalogue(directory=tmp_path, check=True)
    assert capsys.readouterr().out.endswith("the pages are current\n")
    (tmp_path / "events.md").write_text("older")
    with pytest.raises(OperatorError, match=r"not current: events\.md;"):
        catalogue(directory=tmp_path, check=True)
