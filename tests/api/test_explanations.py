"""Decisions explained over HTTP and from a shell: what they rest on, and what asking again comes to."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from uuid import UUID

import psycopg
import pytest

from lending.domain.policies import Policies, PolicyOnRecord
from lending.policy.document import digest_of
from lending.policy.engine import engine_version
from lending.policy.evaluator import Evaluator
from lending.policy.faults import Fault, FaultKind
from lending.service.explaining import Made
from lending.service.rerunning import Cause, Rerun, Verdict, rerun
from tests.api.served import Api, problem
from tests.api.test_openapi import document, validator
from tests.api.test_policies import MODEL, activated, policy
from tests.api.test_policies_command import lending
from tests.policy.graphs import expressions, graph

pytestmark = pytest.mark.anyio
__all__ = ("document",)


@pytest.fixture
async def evaluator() -> AsyncIterator[Evaluator]:
    found = Evaluator(0.3)
    yield found
    await found.close()


async def explained(api: Api, path: str, version: int | None = None) -> dict[str, Any]:
    query = "" if version is None else f"?version={version}"
    answer = await api.get(f"{path}/explanation{query}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def made_of(api: Api, path: str) -> Made:
    found = await api.ledger.explanations.explain(UUID(path.rpartition("/")[2]))
    assert found.account.made is not None
    return found.account.made


def by_name(rows: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in rows}


def falsify(api: Api, statement: str) -> None:
    """Change the log as only a superuser can, past its triggers."""
    with psycopg.connect(api.database_url) as connection:
        connection.execute("set session_replication_role = replica")
        connection.execute(statement.encode())


async def decided(api: Api, **fields: Any) -> str:
    path = await api.applied(**fields)
    answer = await api.post(f"{path}/decision")
    assert answer.status_code == 200, answer.text
    return path


async def test_each_rule_is_told_with_what_it_saw_and_the_events_that_came_from(
    shared: Api, document: dict[str, Any]
) -> None:
    path = await shared.applied(amount=50_000)
    await shared.post(f"{path}/amendments", {"amount": 12_000})
    await shared.post(f"{path}/notes", {"text": "called back"})
    assert (await shared.post(f"{path}/decision")).status_code == 200
    told = await explained(shared, path)
    assert list(validator(document, "Explanation").iter_errors(told)) == []
    assert (told["stands"], told["status"]) == ("decided", "approved")
    decision = told["decision"]
    assert (decision["made_by"], decision["outcome"]) == ("policy", "approved")
    events = (await shared.get(f"{path}/events")).json()["items"]
    facts = by_name(decision["facts"])
    assert facts["amount_minor"]["value"] == 1_200_000
    assert [one["version"] for one in facts["amount_minor"]["from"]] == [2], "the amendment"
    (source,) = facts["income_monthly_minor"]["from"]
    applied = events[0]
    assert source == {
        "position": f"0:{applied['position']}",
        "version": 1,
        "event_type": "applied",
        "recorded_at": applied["recorded_at"],
    }
    (rule,) = decision["rules"]
    assert (rule["rule"], rule["conditions"]) == (
        "debt to income/below-limit", ["below_limit: true"],
    )  # fmt: skip
    (saw,) = rule["saw"]
    assert (saw["name"], saw["value"]) == ("below_limit", True)
    assert [one["event_type"] for one in saw["from"]] == ["applied", "amended"]
    assert told["rerun"]["verdict"] == "reproduced"
    assert told["rerun"]["answer"]["trace"][1]["output"]["debt_x_100"] == 120_000_000
    assert {one["name"]: one["value"] for one in saw["made_of"]} == {
        "amount_minor": 1_200_000,
        "income_monthly_minor": 650_000,
        "minor_units_per_unit": 100,
        "debt_x_100": 120_000_000,
        "limit_x_100": 273_000_000,
    }
    assert (
        "The rule debt to income/below-limit saw below_limit = true, made of amount_minor = 1200000"
        " (USD 12000.00), income_monthly_minor = 650000 (USD 6500.00), minor_units_per_unit = 100,"
        " debt_x_100 = 120000000, limit_x_100 = 273000000."
    ) in told["words"]
    assert "asked again, the policy says the same" in " ".join(told["words"]).lower()


async def test_what_no_policy_decided_is_told_as_such(shared: Api) -> None:
    untouched = await explained(shared, await shared.applied())
    assert (untouched["stands"], untouched["decision"]) == ("open", None)
    assert untouched["rerun"]["verdict"] == "no_policy"
    path = await shared.applied()
    reasons = {"outcome": "rejected", "reasons": ["income_insufficient"]}
    assert (await shared.post(f"{path}/decision", reasons)).status_code == 200
    manual = await explained(shared, path)
    assert manual["decision"]["made_by"] == "principal"
    assert manual["decision"]["reasons"][0]["code"] == "income_insufficient"
    assert "without a policy being asked" in manual["words"][2]
    more = {"outcome": "approved", "justification": "a guarantor came in"}
    assert (await shared.post(f"{path}/override", more)).status_code == 200
    told = await explained(shared, path)
    assert (told["decision"]["made_by"], told["decisions_at_versions"]) == ("override", [2, 3])
    assert '"a guarantor came in"' in " ".join(told["words"])
    assert (await explained(shared, path, 2))["decision"] == manual["decision"]
    problem(await shared.get(f"{path}/explanation?version=4"), 404, "moment_not_found")
    nobody = "/loan/applications/0199b3c4-7000-7000-8000-000000000000/explanation"
    problem(await shared.get(nobody), 404, "application_not_found")


async def test_history_that_was_brought_in_is_told_as_such(shared: Api) -> None:
    then = {"Lending-Effective-At": "2024-03-01T09:00:00Z"}
    made = await shared.post("/loan/applications", {"applicant_id": "c", "amount": 1}, headers=then)
    path = made.headers["location"]
    given = {"outcome": "rejected", "reasons": ["not_recorded"]}
    assert (await shared.post(f"{path}/decision", given, headers=then)).status_code == 200
    told = await explained(shared, path)
    assert told["decision"]["made_by"] == "imported"
    assert "brought it in as history" in told["words"][2]


async def test_a_decision_by_policy_that_counts_from_long_ago_says_when_it_was_recorded(
    shared: Api, document: dict[str, Any]
) -> None:
    then = {"Lending-Effective-At": "2024-03-01T09:00:00Z"}
    body = {"applicant_id": "c", "amount": 12_000, "income": 6_500}
    path = str((await shared.post("/loan/applications", body, headers=then)).headers["location"])
    assert (await shared.post(f"{path}/decision", headers=then)).status_code == 200
    told = await explained(shared, path)
    assert list(validator(document, "Explanation").iter_errors(told)) == []
    decision, words = told["decision"], " ".join(told["words"])
    assert decision["backdated"]
    assert f"2024-03-01T09:00:00.000000Z, recorded only at {decision['recorded_at']}" in words
    policy = decision["policy"]
    assert (policy["published_then"], policy["active_then"]) == (False, False)
    assert f"was not published by then: it went on record at {policy['published_at']}" in words
    clock = (await shared.get(f"{path}/adverse-action")).json()
    assert clock["decision"] == {
        "version": 2,
        "outcome": "approved",
        "effective_on": "2024-03-01",
        "recorded_at": decision["recorded_at"],
    }
    timeline = await shared.get(f"{path}/timeline", accept="text/plain")
    assert decision["recorded_at"] in timeline.text
    assert "counting from 2024-03-01T09:00:00" in timeline.text


async def test_a_decision_of_the_moment_rests_on_the_policy_that_was_active(shared: Api) -> None:
    told = await explained(shared, await decided(shared))
    policy = told["decision"]["policy"]
    assert (policy["published_then"], policy["active_then"]) == (True, True)
    assert not told["decision"]["backdated"]
    assert "recorded only" not in " ".join(told["words"])


async def test_a_withdrawal_is_told_with_the_decision_before_it(shared: Api) -> None:
    path = await decided(shared)
    assert (await shared.post(f"{path}/withdrawal", {"by": "applicant"})).status_code == 200
    told = await explained(shared, path)
    assert (told["stands"], told["ended"]["by"]) == ("withdrawn", "applicant")
    assert told["decision"]["outcome"] == "approved"
    alone = await shared.applied()
    await shared.post(f"{alone}/withdrawal", {"by": "applicant"})
    told = await explained(shared, alone)
    assert (told["stands"], told["decision"]) == ("withdrawn", None)
    assert "never decided" in told["words"][0]


async def test_facts_that_the_events_do_not_come_to_are_a_drift_of_data(api: Api) -> None:
    path = await decided(api)
    falsify(
        api,
        "update ledger.loan_events set data = jsonb_set(data, '{amount}', '\"90000.00\"')"
        " where event_type = 'applied'",
    )
    again = (await explained(api, path))["rerun"]
    assert again["verdict"] == "drifted"
    assert [(one["cause"], one["detail"]) for one in again["drifts"]] == [("data", "amount_minor")]
    assert again["facts_differing"] == [
        {"name": "amount_minor", "recorded": 1_200_000, "rebuilt": 9_000_000}
    ]
    assert again["answer"]["outcome"] == "approved"
    assert again["answer_to_rebuilt_facts"]["outcome"] == "rejected"


@pytest.mark.parametrize(
    ("changed", "cause"),
    [
        ({"outcome": "referred"}, "record"),
        ({"outcome": "referred", "engine_version": "1.9.9"}, "engine"),
        ({"engine_version": "1.9.9"}, None),
    ],
)
async def test_an_outcome_that_differs_is_the_engines_or_not_what_was_answered(
    api: Api, changed: dict[str, str], cause: str | None
) -> None:
    path = await decided(api)
    falsify(
        api,
        f"update ledger.loan_events set data = data || '{json.dumps(changed)}'"
        " where event_type = 'decided'",
    )
    again = (await explained(api, path))["rerun"]
    assert [one["cause"] for one in again["drifts"]] == ([] if cause is None else [cause])
    assert again["verdict"] == ("drifted" if cause else "reproduced")
    assert again["answer"]["engine_version"] == engine_version()


async def test_a_model_that_is_withdrawn_or_another_is_a_drift(api: Api) -> None:
    assert (await api.post("/models", MODEL)).status_code == 201
    scored = policy("scored")
    scored["facts"].append("score_millionths")
    scored["cases"][0]["facts"] = {**scored["cases"][0]["facts"], "score_millionths": 1}
    await activated(api, scored)
    path = await api.applied()
    score = {
        "model": "credit-risk",
        "model_version": "1",
        "score": 700,
        "artifact_digest": "b1" * 32,
    }
    assert (await api.post(f"{path}/score", score)).status_code == 200
    assert (await api.post(f"{path}/decision")).status_code == 200
    (drift,) = (await explained(api, path))["rerun"]["drifts"]
    assert (drift["cause"], drift["kind"]) == ("model", "artifact_differs")
    gone = await api.post("/models/credit-risk/versions/1/withdrawal", {"reason": "drift"})
    assert gone.status_code == 200
    told = await explained(api, path)
    kinds = [one["kind"] for one in told["rerun"]["drifts"]]
    assert kinds == ["withdrawn", "artifact_differs"]
    sources = by_name(told["decision"]["facts"])["score_millionths"]["from"]
    assert [one["event_type"] for one in sources] == ["scored"]


async def test_a_policy_that_is_gone_or_another_is_a_drift(
    shared: Api, evaluator: Evaluator
) -> None:
    made = await made_of(shared, await decided(shared))
    policies = (await shared.ledger.policies.standing()).policies
    models = (await shared.ledger.policies.standing()).registry.models
    key = ("debt-to-income", "1")

    async def asked(found: PolicyOnRecord | None) -> Rerun:
        changed = Policies(on_record={} if found is None else {key: found})
        return await rerun(made, changed, models, evaluator)

    def kinds(again: Rerun) -> list[tuple[Cause, str]]:
        assert again.verdict is Verdict.DRIFTED
        return [(one.cause, one.kind) for one in again.drifts]

    known = policies.on_record[key]
    assert kinds(await asked(None)) == [(Cause.POLICY, "missing")]
    text = known.definition.replace("35 *", "40 *")
    falsified = await asked(replace(known, definition=text))
    assert kinds(falsified) == [(Cause.POLICY, "text_differs")]
    assert falsified.answer is None, "a text that nobody published is not asked"
    cited = replace(known.cited, digest=digest_of(text))
    published = await asked(replace(known, definition=text, cited=cited))
    assert kinds(published) == [(Cause.POLICY, "digest_differs")]
    assert published.answer is not None


def doubling() -> dict[str, Any]:
    rows = {f"b{n}": f"$.b{n - 1} + $.b{n - 1}" for n in range(1, 45)}
    return graph(expressions("x", b0="'xxxxxxxx'", **rows))


@pytest.mark.parametrize(
    ("made_so", "kind"),
    [
        (doubling(), FaultKind.NO_ANSWER),
        (graph(expressions("x", outcome="'approved'", n="1 / (amount_minor - amount_minor)")),
         FaultKind.NO_VALUE),
        (graph(expressions("x", outcome="'shrugged'")), FaultKind.OUTCOME_INVALID),
    ],
    ids=["never answers", "divides by zero", "answers out of range"],
)  # fmt: skip
async def test_a_policy_that_gives_no_decision_is_a_verdict_with_the_fault(
    shared: Api, evaluator: Evaluator, made_so: dict[str, Any], kind: FaultKind
) -> None:
    made = await made_of(shared, await decided(shared))
    standing = await shared.ledger.policies.standing()
    known = standing.policies.on_record["debt-to-income", "1"]
    text = json.dumps({**json.loads(known.definition), "graph": made_so})
    cited = replace(known.cited, digest=digest_of(text))
    faulty = replace(known, definition=text, cited=cited)
    policies = Policies(on_record={("debt-to-income", "1"): faulty})
    again = await rerun(made, policies, standing.registry.models, evaluator)
    assert again.verdict is Verdict.FAULTY
    assert isinstance(again.fault, Fault)
    assert again.fault.kind is kind


async def test_erased_facts_are_told_as_erased_and_not_asked_again(api: Api) -> None:
    path = await decided(api)
    falsify(api, "update vault.subject_keys set wrapped_key = null, destroyed_at = now()")
    told = await explained(api, path)
    assert told["rerun"]["verdict"] == "facts_erased"
    facts = by_name(told["decision"]["facts"])
    assert facts["income_monthly_minor"]["value"] == {"erased": True}
    assert facts["amount_minor"]["value"] == 1_200_000
    (rule,) = told["decision"]["rules"]
    assert rule["rule"] == "debt to income/below-limit"
    assert [(one["name"], one["value"]) for one in rule["saw"]] == [
        ("below_limit", {"erased": True})
    ]


async def test_the_command_tells_the_same_in_words_tables_and_json(api: Api) -> None:
    path = await decided(api)
    name = path.rpartition("/")[2]
    said, as_json = await asyncio.gather(
        lending(api, "explain", name), lending(api, "explain", name, "--json")
    )
    told = await explained(api, path)
    assert json.loads(as_json.out) == told
    assert told["words"][0] in said.out
    assert "below_limit" in said.out
    nobody = await lending(api, "explain", "0199b3c4-7000-7000-8000-000000000000")
    assert (nobody.code, nobody.out) == (1, "")
