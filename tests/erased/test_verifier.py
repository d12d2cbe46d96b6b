"""The program that checks evidence, held against files in which the co-applicant is erased: what it says
of forgeries of other files it says of forgeries of these.
"""

import asyncio
import json
from pathlib import Path

import pytest

from lending import verify_evidence as program
from tests.databases import Databases
from tests.erased.making import settings_of
from tests.evidence.conftest import Bank, Kept, at, kept_of, opened_bank
from tests.evidence.files import Files, checked, consistent, packed, unpacked
from tests.evidence.test_verifier import (
    Change,
    test_a_checkpoint_from_elsewhere_tells_a_rewritten_history,
    test_a_file_that_does_not_belong_there_is_named,
    test_a_file_that_is_missing_is_named,
    test_a_forger_who_makes_the_rest_fit_is_found,
    test_another_key_does_not_accept_it,
    test_files_of_another_application_are_refused,
    test_no_value_in_the_place_of_another_makes_it_stumble,
    test_one_bit_changed_in_any_file_is_refused,
    test_two_histories_signed_by_one_key_are_told,
    test_what_is_untouched_is_accepted_by_the_key_that_was_given,
    test_without_a_key_it_is_accepted_by_its_own_and_told_so,
)
from tests.evidence.test_verifier_command import test_it_lists_what_is_proven
from tests.service.test_erasure import OPERATOR, projecting

__all__ = (
    "at",
    "test_a_checkpoint_from_elsewhere_tells_a_rewritten_history",
    "test_a_file_that_does_not_belong_there_is_named",
    "test_a_file_that_is_missing_is_named",
    "test_a_forger_who_makes_the_rest_fit_is_found",
    "test_another_key_does_not_accept_it",
    "test_files_of_another_application_are_refused",
    "test_it_lists_what_is_proven",
    "test_no_value_in_the_place_of_another_makes_it_stumble",
    "test_one_bit_changed_in_any_file_is_refused",
    "test_two_histories_signed_by_one_key_are_told",
    "test_what_is_untouched_is_accepted_by_the_key_that_was_given",
    "test_without_a_key_it_is_accepted_by_its_own_and_told_so",
)
ERASED = "cust_2003"


@pytest.fixture(scope="module")
def kept(
    postgres_server: Databases, template_database: str, tmp_path_factory: pytest.TempPathFactory
) -> Kept:
    """Given by a bank that has erased the co-applicant of its application, and is closed by now."""
    directory = tmp_path_factory.mktemp("kept")

    async def given() -> Kept:
        settings = settings_of(url, directory)
        async with opened_bank(url, directory, settings, unread=0) as bank:
            await erased(bank)
            return await kept_of(bank)

    with postgres_server.temporary("kept", template_database) as url:
        return asyncio.run(given())


async def erased(bank: Bank) -> None:
    """The application ends, and the co-applicant is erased."""
    ended = await bank.api.post(f"{bank.application}/withdrawal", {"by": "applicant"})
    assert ended.status_code == 200, ended.text
    async with projecting(bank.api.settings):
        await bank.api.ledger.persons.eraser.erase(ERASED, "asked", OPERATOR)
    await bank.sealed.seal()


def value_put_back(files: Files) -> Files:
    shown = json.loads(files["personal.json"])
    (one,) = [value for value in shown["values"] if value["subject"] == ERASED]
    del one["erased"]
    one["value"] = "1250.50"
    return {**files, "personal.json": program.canonical(shown)}


def erasure_left_out(files: Files) -> Files:
    names = [name for name, content in files.items() if b'"event_type":"subject_erased"' in content]
    stems = tuple(name.removesuffix("entry.json") for name in names)
    manifest = json.loads(files["manifest.json"])
    manifest["events"] -= len(stems)
    left = {name: content for name, content in files.items() if not name.startswith(stems)}
    return {**left, "manifest.json": json.dumps(manifest).encode()}


def said_of_the_person(state: str) -> Change:
    def change(files: Files) -> Files:
        manifest = json.loads(files["manifest.json"])
        for one in manifest["persons"]:
            one["state"] = state if one["subject"] == ERASED else one["state"]
        return {**files, "manifest.json": json.dumps(manifest).encode()}

    return change


CHANGES: dict[str, Change] = {
    "value put back": value_put_back,
    "opened": said_of_the_person("opened"),
    "sealed": said_of_the_person("sealed"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_who_is_erased_cannot_be_told_otherwise(kept: Kept, at: Path, change: Change) -> None:
    changed = change(unpacked(kept.opened))
    assert not checked(at, packed(consistent(changed)), kept.vkey).accepted


def test_an_erasure_that_is_left_out_at_the_end_is_remarked_upon(kept: Kept, at: Path) -> None:
    """That nothing came after an event no file can prove; that somebody reads as erased is seen."""
    changed = erasure_left_out(unpacked(kept.opened))
    verdict = checked(at, packed(consistent(changed)), kept.vkey)
    assert verdict.remarks == [f"{ERASED} reads as erased, which no event here says"]
