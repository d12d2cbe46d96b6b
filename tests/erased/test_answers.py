"""What is asked of applications, as they stood at any moment, is answered as it was before anybody was
erased; what was personal reads as erased, and is in no answer.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from html import unescape
from typing import Any

import pytest
from jsonschema import Draft202012Validator, FormatChecker
from mcp.client import Client

from lending.domain.application.notices import Unwritten
from tests.erased.answers import ERASED, Answers, Asked, answers_of, changes
from tests.erased.conftest import Ledger
from tests.erased.lives import ENDED
from tests.erased.making import APPLICATIONS, is_gone, is_touched
from tests.erased.persons import found_in

pytestmark = pytest.mark.anyio
TEMPLATES = (
    "", "/events", "/timeline", "/diff", "/decisions/{version}/view", "/explanation",
    "/adverse-action", "/adverse-action/notice", "/schedule", "/statement", "/payoff-quote",
)  # fmt: skip
ASKED_AGAIN = {"/1/rerun/verdict": "facts_erased", "/1/rerun/answer": None}
"""What comes of asking a policy again whose facts are erased."""

IN_WORDS = ("(erased)", '{"erased": true}')
"""How it is said in texts: as a value by itself, and as one within others."""


@pytest.fixture(scope="module")
async def document(erased: Ledger) -> dict[str, Any]:
    """The OpenAPI document."""
    found: dict[str, Any] = (await erased.api.get("/openapi.json")).json()
    return found


@pytest.fixture(scope="module")
async def after(erased: Ledger) -> Mapping[str, Answers]:
    """The same questions as before."""
    before = erased.history.before.answers
    return {path: await answers_of(erased.api, path, before[path]) for path in before}


def is_told(asked: Asked, pointer: str, now: Any) -> bool:
    """Whether what an answer says instead of a value is that it is erased."""
    if asked.end.startswith("/explanation") and pointer in ASKED_AGAIN:
        return bool(now == ASKED_AGAIN[pointer])
    if pointer.startswith("/1/words/"):
        return "erased" in now
    text = unescape(now) if isinstance(now, str) else ""
    return now == ERASED or any(words in text for words in IN_WORDS)


def differing(before: Answers, after: Answers) -> Iterator[tuple[Asked, str, Any]]:
    """The places of all answers that differ, and what is there now. What was appended since is left
    out, and a letter that cannot be written again.
    """
    for asked, was in before.items():
        now = after[asked]
        if asked.end.startswith("/events"):
            now[1]["items"] = now[1]["items"][: len(was[1]["items"])]
        if not cannot_be_written(asked, was, now):
            yield from ((asked, pointer, then) for pointer, _, then in changes(was, now))


def cannot_be_written(asked: Asked, was: tuple[int, Any], now: tuple[int, Any]) -> bool:
    """Whether it is a letter whose reason in words is erased."""
    if "/notice?" not in asked.end or (was[0], now[0]) != (200, 409):
        return False
    return "other, as specified" in str(was) or Unwritten.REASON_ERASED.value in str(now[1])


async def test_what_differs_is_what_was_personal_and_it_says_so(
    erased: Ledger, after: Mapping[str, Answers]
) -> None:
    before, touched = erased.history.before.answers, 0
    for number, path in erased.history.paths.items():
        found = list(differing(before[path], after[path]))
        if is_touched(number):
            assert found, path
            touched += 1
        else:
            assert found == []
        for asked, pointer, now in found:
            assert is_told(asked, pointer, now), (asked, pointer, now)
    assert APPLICATIONS > touched > APPLICATIONS // 3


async def test_the_application_itself_says_that_income_and_purpose_are_erased(
    erased: Ledger, after: Mapping[str, Answers]
) -> None:
    for person in erased.history.gone:
        path = erased.history.paths[person.number]
        states = [body for asked, (_, body) in after[path].items() if asked.end.startswith("?")]
        assert len(states) > 10
        assert {(str(one["income"]), str(one["purpose"])) for one in states} == {
            (str(ERASED), str(ERASED))
        }


async def test_explanations_say_which_facts_are_erased_and_the_others_are_asked_again(
    erased: Ledger, after: Mapping[str, Answers]
) -> None:
    verdicts = Counter[tuple[bool, str]]()
    for number, path in erased.history.paths.items():
        for asked, (_, body) in after[path].items():
            if asked.end.startswith("/explanation") and body["decision"] is not None:
                verdicts[is_gone(number), body["rerun"]["verdict"]] += 1
                facts = {one["name"]: one["value"] for one in body["decision"]["facts"]}
                if facts:
                    income = facts.pop("income_monthly_minor")
                    assert (income == ERASED) == is_gone(number)
                    assert ERASED not in facts.values()
    assert verdicts[True, "facts_erased"] > 0 < verdicts[False, "reproduced"]
    assert {verdict for _, verdict in verdicts} == {"facts_erased", "reproduced", "no_policy"}
    assert verdicts[False, "facts_erased"] == verdicts[True, "reproduced"] == 0


async def test_a_letter_is_the_same_unless_its_reason_is_erased(
    erased: Ledger, after: Mapping[str, Answers]
) -> None:
    became = Counter[tuple[bool, int, int]]()
    for number, path in erased.history.paths.items():
        for asked, (status, _) in erased.history.before.answers[path].items():
            if "/notice?" in asked.end:
                became[is_gone(number), status, after[path][asked][0]] += 1
    assert became[True, 200, 200] > 0 < became[True, 200, 409]
    assert became[False, 200, 409] == became[True, 409, 200] == became[False, 409, 200] == 0


async def test_nothing_of_who_was_erased_is_in_any_answer(
    erased: Ledger, after: Mapping[str, Answers]
) -> None:
    history, pages = erased.history, [
        await erased.api.get(f"{path}limit=1000")
        for path in ("/loan/applications?", "/loan/events?", "/refusals?", "/work?role=underwriter&")
    ]  # fmt: skip
    assert [page.status_code for page in pages] == [200] * len(pages)
    content = [json.dumps([*answers.values()], ensure_ascii=False) for answers in after.values()]
    whole = "".join([*content, *(page.text for page in pages)]).encode()
    assert found_in(whole, history.gone) == []
    assert len(found_in(whole, history.kept)) > 5 * len(history.kept)


async def test_models_are_told_nothing_of_who_was_erased_either(erased: Ledger) -> None:
    tools = ("see_application", "explain", "follow_events")
    async with Client(f"http://127.0.0.1:{erased.api.port}/mcp") as client:
        for application_id in erased.history.of(erased.history.gone[:7]).values():
            for tool in tools:
                result = await client.call_tool(tool, {"application_id": str(application_id)})
                assert not result.is_error, result.content
                told = result.model_dump_json()
                assert "erased" in told
                assert found_in(told.encode(), erased.history.gone) == []


async def test_all_that_can_be_read_of_an_application_is_asked_here(
    document: dict[str, Any],
) -> None:
    """But evidence, which test_evidence.py asks for, and schedules, which are made of terms alone."""
    elsewhere = {"/evidence", "/offers/{offer_id}/schedule"}
    named = "/loan/applications/{application_id}"
    ends = {
        path.removeprefix(named)
        for path, methods in document["paths"].items()
        if path.startswith(named) and "get" in methods
    }
    assert ends - elsewhere == set(TEMPLATES)


async def test_answers_fit_their_schemas_as_those_about_others_do(
    erased: Ledger, after: Mapping[str, Answers], document: dict[str, Any]
) -> None:
    """One of each life, of who was erased."""
    schemas = {template: schema_of(document, template) for template in TEMPLATES}
    for person in erased.history.gone[:: len(erased.history.gone) // len(ENDED)]:
        for asked, (status, body) in after[erased.history.paths[person.number]].items():
            if status == 200 and asked.form == "application/json":
                faults = list(schemas[template_of(asked)].iter_errors(body))
                assert faults == [], (asked, faults)


def template_of(asked: Asked) -> str:
    """The end of the path in the document."""
    return re.sub(r"/\d+", "/{version}", asked.end.partition("?")[0])


def schema_of(document: dict[str, Any], template: str) -> Draft202012Validator:
    """What the document says of the answer."""
    operation = document["paths"]["/loan/applications/{application_id}" + template]["get"]
    schema = operation["responses"]["200"]["content"]["application/json"]["schema"]
    root = {**schema, "components": document["components"]}
    return Draft202012Validator(root, format_checker=FormatChecker())


async def test_an_export_of_who_was_erased_has_nothing_of_them(erased: Ledger) -> None:
    for person in erased.history.gone[:3]:
        path = f"/subjects/{person.subject}/export"
        answer = await erased.api.post(path, {"reason": "article 15"})
        assert answer.status_code == 200
        assert found_in(answer.content, erased.history.gone) == []
        mine = [one for one in answer.json()["applications"] if one["erased"]]
        assert mine[0]["events"][0]["data"]["income"] == ERASED


async def test_who_was_erased_is_not_found_to_have_anything_left_to_erase(erased: Ledger) -> None:
    for person in erased.history.gone[:3]:
        answer = await erased.api.get(f"/subjects/{person.subject}/erasure")
        assert answer.json()["outcome"] == "already_erased"
