"""Evidence of every application, erased or not, is accepted by the program that checks it."""

import json
from pathlib import Path

import pytest

from lending import verify_evidence as program
from lending.ledger.published import notes_in
from tests.erased.conftest import Ledger
from tests.erased.making import evidence_of, is_gone
from tests.erased.persons import found_in
from tests.evidence.files import unpacked

pytestmark = pytest.mark.anyio


def said_of(erased: Ledger, at: Path, content: bytes) -> program.Verdict:
    """The verdict by the key of before, and every checkpoint that was published."""
    at.write_bytes(content)
    notes, _ = notes_in(erased.history.published.read_text())
    outside = [program.parse_checkpoint(note, "published") for note in notes]
    keys = [program.parse_vkey(erased.history.before.proven.vkey)]
    return program.check(at, program.Known(keys, outside))


async def test_it_is_accepted_and_says_who_is_erased(erased: Ledger, tmp_path: Path) -> None:
    gone = {one.subject for one in erased.history.gone}
    for number, path in erased.history.paths.items():
        content = await evidence_of(erased.api, path)
        said = said_of(erased, tmp_path / "evidence.zip", content)
        assert said.faults == []
        files = unpacked(content)
        persons = json.loads(files["manifest.json"])["persons"]
        assert {one["subject"] for one in persons if one["state"] == "erased"} == {
            one["subject"] for one in persons if one["subject"] in gone
        }
        values = json.loads(files["personal.json"])["values"]
        assert {one["subject"] in gone for one in values if "erased" in one} <= {True}
        assert {one["subject"] in gone for one in values if "value" in one} <= {False}
        assert ("(erased)" in files["report.html"].decode()) >= is_gone(number)
        assert found_in(b"".join(files.values()), erased.history.gone) == []


async def test_evidence_that_was_given_before_is_still_accepted(
    erased: Ledger, tmp_path: Path
) -> None:
    for content in erased.history.before.evidence.values():
        assert said_of(erased, tmp_path / "evidence.zip", content).faults == []
        values = json.loads(unpacked(content)["personal.json"])["values"]
        assert all("value" in one for one in values)
