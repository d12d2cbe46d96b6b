"""Policies and score models over HTTP: publishing, activating, trying, deciding by them, and who may."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import pytest

from lending.api.policy_routes import EXAMPLE
from lending.domain.authority import LOCAL, MAY, Permission, Role
from lending.domain.policies import PolicyActivated, PolicyPublished
from lending.policy import debt_to_income, limits
from lending.policy.document import digest_of
from lending.runtime.settings import Settings
from lending.service.registry_writing import Operator
from tests.api.acting import actor
from tests.api.served import Api, problem, served_api
from tests.api.test_openapi import document, validator
from tests.identities import somebody
from tests.policy.graphs import expressions, graph, nested

pytestmark = pytest.mark.anyio
HOW_TO: Final = Path(__file__).parents[2] / "docs" / "how-to" / "policies.md"
EXAMPLES: Final = re.findall(r"```json\n(.*?)```", HOW_TO.read_text("utf-8"), re.DOTALL)
FACTS: Final = {"amount_minor": 1_200_000, "currency": "USD", "term_months": 36}
MODEL: Final = {
    "name": "credit-risk",
    "version": "1",
    "artifact_digest": "a0" * 32,
    "owner": "risk-modelling",
    "valid_from": "2026-01-01",
}
__all__ = ("document",)


def policy(name: str, version: str = "1", **values: str) -> dict[str, Any]:
    """A policy that answers with these values, whatever it sees."""
    answer = {"outcome": "referred", "reasons": [], **{k: json.loads(v) for k, v in values.items()}}
    written = {key: json.dumps(value).replace('"', "'") for key, value in answer.items()}
    return {
        "name": name,
        "version": version,
        "facts": ["amount_minor", "currency", "term_months"],
        "graph": graph(expressions("answer", **written)),
        "cases": [{"facts": FACTS, **answer}],
    }


async def activated(api: Api, given: dict[str, Any]) -> None:
    made = await api.post("/policies", given)
    assert made.status_code == 201, made.text
    done = await api.post(f"{made.headers['location']}/activation")
    assert (done.status_code, done.json()["active"]) == (200, True), done.text


async def test_the_example_is_published_read_tried_and_withdrawn(
    shared: Api, document: dict[str, Any]
) -> None:
    operation = document["paths"]["/policies"]["post"]
    example = operation["requestBody"]["content"]["application/json"]["example"]
    assert example == EXAMPLE
    made = await shared.post("/policies", example)
    assert made.status_code == 201, made.text
    path = made.headers["location"]
    assert path == "/policies/small-loans/versions/2026-10"
    read = (await shared.get(path)).json()
    assert sha256(read["definition"].encode()).hexdigest() == read["digest"]
    assert (await shared.post("/policies", read["policy"])).json()["changed"] is False
    tried = await shared.post(f"{path}/evaluation", {"facts": FACTS})
    assert (tried.json()["outcome"], tried.json()["rules"]) == ("approved", ["limits/small"])
    over = await shared.post(f"{path}/withdrawal", {"reason": "replaced"})
    assert (over.json()["withdrawn"], over.json()["changed"]) == (True, True)
    problem(await shared.post(f"{path}/activation"), 409, "policy_withdrawn")
    listed = (await shared.get("/policies")).json()
    assert (await shared.get("/policies/small-loans")).json()["items"] == [listed["items"][-1]]
    for body, component in (
        (made.json(), "PolicyAct"),
        (read, "PolicyOnRecord"),
        (tried.json(), "PolicyEvaluation"),
        *((row, "PolicyRow") for row in listed["items"]),
    ):
        assert list(validator(document, component).iter_errors(body)) == []


async def test_every_example_of_the_page_can_be_published(shared: Api) -> None:
    assert json.loads(EXAMPLES[0]) == EXAMPLE
    for example in map(json.loads, EXAMPLES):
        answer = await shared.post("/policies", {**example, "version": "example"})
        assert answer.status_code == 201, answer.text


async def test_a_version_that_is_there_never_changes(shared: Api) -> None:
    assert (await shared.post("/policies", policy("again"))).status_code == 201
    again = await shared.post("/policies", policy("again"))
    assert (again.status_code, again.json()["changed"]) == (200, False)
    other = policy("again", outcome='"approved"')
    problem(await shared.post("/policies", other), 409, "policy_version_taken")


async def test_a_policy_with_faults_is_told_all_of_them_by_their_places(
    shared: Api, document: dict[str, Any]
) -> None:
    wrong = policy("faulty")
    code = {"id": "f", "type": "functionNode", "name": "f", "content": {"source": "Date.now()"}}
    wrong["graph"]["nodes"] += [code, expressions("y", a="amount_minor / 0", b="d()")]
    body = problem(await shared.post("/policies", wrong), 409, "policy_refused")
    assert [(one["kind"], one["place"]) for one in body["policy_faults"]] == [
        ("node_refused", "/graph/nodes/3"),
        ("function_refused", "/graph/nodes/4/content/expressions/1/value"),
        ("divisor_refused", "/graph/nodes/4/content/expressions/0/value"),
    ]
    assert list(validator(document, "Problem").iter_errors(body)) == []
    problem(await shared.get("/policies/faulty"), 404, "policy_not_found")


async def test_a_policy_that_fails_a_case_is_not_published(shared: Api) -> None:
    wrong = policy("failing")
    wrong["cases"].append({"facts": FACTS, "outcome": "approved"})
    body = problem(await shared.post("/policies", wrong), 409, "policy_refused")
    assert body["policy_faults"] == [
        {
            "kind": "case_failed",
            "place": "/cases/1/outcome",
            "detail": 'outcome is "referred", not "approved"',
        }
    ]


async def test_a_policy_that_never_answers_is_not_published_and_holds_nobody_up(
    shared: Api,
) -> None:
    doubling = {f"b{n}": f"$.b{n - 1} + $.b{n - 1}" for n in range(1, 45)}
    wrong = policy("doubling")
    wrong["graph"] = graph(expressions("x", b0="'xxxxxxxx'", **doubling))
    refused, applied = await asyncio.gather(shared.post("/policies", wrong), shared.applied())
    assert applied
    body = problem(refused, 409, "policy_refused")
    assert body["policy_faults"][0]["detail"].startswith("no_answer")


@pytest.mark.parametrize(
    ("facts", "place"),
    [
        ({}, "/facts/amount_minor"),
        ({**FACTS, "amount_minor": 1.5}, "/facts/amount_minor"),
        ({**FACTS, "amount_minor": "1"}, "/facts/amount_minor"),
        ({**FACTS, "currency": None}, "/facts/currency"),
        ({**FACTS, "shoe_size": 44}, "/facts/shoe_size"),
    ],
)
async def test_facts_that_do_not_fit_are_refused(
    shared: Api, facts: dict[str, Any], place: str
) -> None:
    await shared.post("/policies", policy("fitting"))
    path = "/policies/fitting/versions/1/evaluation"
    body = problem(await shared.post(path, {"facts": facts}), 409, "facts_unfit")
    assert place in [one["place"] for one in body["policy_faults"]]


async def test_a_decision_says_by_what_it_was_made(api: Api) -> None:
    path = await api.applied()
    decided = (await api.post(f"{path}/decision")).json()
    assert decided["status"] == "approved"
    event = (await api.get(f"{path}/events")).json()["items"][-1]
    built_in = (await api.get("/policies/debt-to-income/versions/1")).json()
    assert built_in["active"] is True
    assert built_in["digest"] == digest_of(built_in["definition"])
    data = event["data"]
    assert event["schema_version"] == 3
    assert data["facts"] == {
        "amount_minor": 1_200_000, "currency": "USD", "minor_units_per_unit": 100,
    }  # fmt: skip
    assert data["personal_facts"] == {"income_monthly_minor": 650_000}
    assert data["trace"] == ["debt to income/below-limit"]
    assert (data["fact_schema"], data["engine"], data["engine_version"]) == (1, "zen", "2.1.3")
    assert data["policy"] == {
        "name": "debt-to-income",
        "version": "1",
        "digest": built_in["digest"],
        "registry_position": 1,
    }
    facts = {**data["facts"], **data["personal_facts"]}
    tried = await api.post("/policies/debt-to-income/versions/1/evaluation", {"facts": facts})
    assert tried.json()["trace_digest"] == data["trace_digest"]
    stored = api.rows("select data::text from ledger.loan_events where event_type = 'decided'")
    assert data["trace_digest"] not in stored[0][0], "it would tell what it was made of"
    assert "650000" not in stored[0][0]


async def test_a_counter_offer_of_a_policy_is_in_the_currencys_digits(api: Api) -> None:
    terms = {"amount_minor": "900050", "term_months": "24", "reasons": '["bankruptcy"]'}
    await activated(api, policy("less", outcome='"counter_offered"', **terms))
    path = await api.applied()
    assert (await api.post(f"{path}/decision")).json()["status"] == "counter_offered"
    event = (await api.get(f"{path}/events")).json()["items"][-1]
    assert (event["data"]["amount"], event["data"]["term_months"]) == ("9000.50", 24)
    again = await api.post(f"{path}/decision")
    assert (again.status_code, again.json()["events"]) == (200, [])


async def test_asking_the_same_policy_again_is_so_already(api: Api) -> None:
    await activated(api, policy("again", outcome='"approved"'))
    path = await api.applied()
    assert len((await api.post(f"{path}/decision")).json()["events"]) == 1
    again = await api.post(f"{path}/decision")
    assert (again.status_code, again.json()["events"]) == (200, [])


async def test_a_policy_lacking_facts_names_what_to_give(api: Api) -> None:
    given = policy("scored")
    given["facts"] = [*given["facts"], "score_bps"]
    given["cases"][0]["facts"] = {**FACTS, "score_bps": 7500}
    await activated(api, given)
    path = await api.applied(term_months=None)
    body = problem(await api.post(f"{path}/decision"), 409, "facts_missing")
    assert body["detail"].endswith("term_months, score with its range)")


@pytest.mark.parametrize(
    ("terms", "fault"),
    [
        ({"amount_minor": "1200000", "reasons": '["bankruptcy"]'}, "counter_terms_same"),
        ({"reasons": '["bankruptcy"]'}, "counter_terms_same"),
    ],
)
async def test_a_decision_that_nobody_might_make_is_a_fault_of_the_policy(
    api: Api, terms: dict[str, str], fault: str
) -> None:
    await activated(api, policy("wrong", outcome='"counter_offered"', **terms))
    path = await api.applied()
    before = api.count()
    body = problem(await api.post(f"{path}/decision"), 409, "policy_faulty")
    assert body["detail"].endswith(f"{fault})")
    assert api.count() == before


async def test_a_policy_that_answers_out_of_range_makes_no_decision(api: Api) -> None:
    given = policy("edge", outcome='"approved"')
    rest = expressions("answer", outcome="amount_minor > 1200000 ? 'perhaps' : 'approved'")
    given["graph"] = graph(rest)
    await activated(api, given)
    path = await api.applied(amount=12000.01)
    before = api.count()
    body = problem(await api.post(f"{path}/decision"), 409, "policy_faulty")
    assert body["detail"].endswith("edge@1: outcome_invalid at /answer)")
    assert api.count() == before
    own = await api.post(f"{path}/decision", {"outcome": "approved"})
    assert own.json()["status"] == "approved"


async def test_without_a_process_to_evaluate_it_in_a_policy_decides_nothing_yet(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = await api.applied()
    before = api.count()
    monkeypatch.setenv("PYTHONHOME", "/nowhere")  # so that no interpreter starts
    body = problem(await api.post(f"{path}/decision"), 503, "policy_unavailable")
    assert body["retryable"] is True
    assert api.count() == before
    monkeypatch.delenv("PYTHONHOME")
    assert (await api.post(f"{path}/decision")).json()["status"] == "approved"


async def test_a_policy_is_as_large_as_the_log_holds_and_no_larger(shared: Api) -> None:
    large = policy("large")
    note = large["graph"]["nodes"][1]
    spare = limits.POLICY_DOCUMENT_MAX_BYTES - await size_of(shared, large) - len(',\\"n\\":\\"\\"')
    note["n"] = "x" * (spare + 1)
    body = problem(await shared.post("/policies", large), 409, "policy_refused")
    assert body["policy_faults"][0]["kind"] == "too_large"
    note["n"] = "x" * spare
    assert (await shared.post("/policies", large)).status_code == 201


async def size_of(api: Api, given: dict[str, Any]) -> int:
    """The bytes of a policy in its event."""
    made = await api.post("/policies", {**given, "version": "to-measure"})
    definition = (await api.get(made.headers["location"])).json()["definition"]
    return len(json.dumps(definition, ensure_ascii=False).encode())


async def test_a_policy_is_built_on_another_and_that_one_cannot_be_withdrawn_meanwhile(
    api: Api,
) -> None:
    assert (await api.post("/policies", policy("inner"))).status_code == 201
    outer = {**policy("outer"), "graph": graph(nested("ask", "inner@1"))}
    await activated(api, outer)
    path = await api.applied()
    assert (await api.post(f"{path}/decision")).json()["status"] == "referred"
    away = {"reason": "replaced"}
    for name in ("inner", "outer"):
        over = await api.post(f"/policies/{name}/versions/1/withdrawal", away)
        problem(over, 409, "policy_in_use")
    await api.post("/policies/debt-to-income/versions/1/activation")
    for name in ("inner", "outer"):
        over = await api.post(f"/policies/{name}/versions/1/withdrawal", away)
        assert over.json()["withdrawn"] is True


async def test_a_policy_activated_for_later_decides_from_then_on(api: Api) -> None:
    await api.post("/policies", policy("later"))
    path = "/policies/later/versions/1/activation"
    past = {"effective_from": "2026-01-01T00:00:00Z"}
    problem(await api.post(path, past), 409, "activation_past")
    problem(
        await api.post(path, {"effective_from": "2026-99-01T00:00:00Z"}), 409, "activation_past"
    )
    start = datetime.now(UTC) + timedelta(seconds=1.5)
    said = {"effective_from": f"{start:%Y-%m-%dT%H:%M:%S.%f}Z"}
    done = (await api.post(path, said)).json()
    assert (done["active"], done["activations"]) == (False, [said["effective_from"]])
    assert (await api.post(path, said)).json()["changed"] is False
    one, other = await api.applied(), await api.applied()
    assert (await api.post(f"{one}/decision")).json()["status"] == "approved"
    await asyncio.sleep(1.6)
    assert (await api.post(f"{other}/decision")).json()["status"] == "referred"
    assert (await api.get("/policies/later/versions/1")).json()["active"] is True


async def test_a_suspended_policy_decides_nothing_whatever_it_would_say(api: Api) -> None:
    await activated(api, policy("stopped"))
    path = await api.applied()
    told = {"subject": "policy", "name": "stopped@1", "reason": "a drill"}
    assert (await api.post("/suspensions", told)).status_code == 200
    problem(await api.post(f"{path}/decision"), 403, "policy_suspended")
    assert (await api.get("/policies/stopped/versions/1")).json()["suspended"] is True


async def test_what_older_ledgers_have_on_record_still_decides(api: Api) -> None:
    """The text of the built-in policy, as the registry of such a ledger begins with it."""
    writer = api.ledger.policies._writer
    operator = Operator(principal=LOCAL, correlation_id="test")
    for event in (
        PolicyPublished(
            name="debt-to-income",
            version="0",
            definition=debt_to_income.DEFINITION,
            digest=digest_of(debt_to_income.DEFINITION),
        ),
        PolicyActivated(name="debt-to-income", version="0"),
    ):
        await writer.write("test", operator, lambda _, event=event: event)  # type: ignore[misc]
    path = await api.applied()
    assert (await api.post(f"{path}/decision")).json()["status"] == "approved"
    data = (await api.get(f"{path}/events")).json()["items"][-1]["data"]
    assert data["facts"] == {"amount": "12000.00", "currency": "USD"}
    assert (data["engine"], data["trace"]) == ("built-in", ["debt_to_income_below_limit"])
    read = (await api.get("/policies/debt-to-income/versions/0")).json()
    assert (read["policy"], read["fact_schema"], read["active"]) == (None, None, True)
    again = await api.post(f"{path}/decision")
    assert (again.status_code, again.json()["events"]) == (200, [])


@pytest.mark.parametrize("role", Role)
async def test_each_role_may_publish_as_the_table_says(shared: Api, role: Role) -> None:
    asking = await actor(shared, somebody(f"publisher-{role}", role))
    assert (Permission.PUBLISH_POLICIES in MAY[role]) == (role is Role.ADMIN)
    assert (Permission.REGISTER_MODELS in MAY[role]) == (role is Role.ADMIN)
    away, at = {"reason": "r"}, f"/policies/of-{role}/versions/1"
    answers = [
        await asking.post("/policies", policy(f"of-{role}")),
        await asking.post("/models", {**MODEL, "version": f"of-{role}"}),
        await asking.post(f"{at}/withdrawal", away),
        await asking.post(f"/models/credit-risk/versions/of-{role}/withdrawal", away),
    ]
    expected = [201, 201, 200, 200] if role is Role.ADMIN else [403] * 4
    assert [answer.status_code for answer in answers] == expected
    if role is not Role.ADMIN:
        problem(await asking.post(f"{at}/activation"), 403, "forbidden")
    assert (await asking.get("/policies")).status_code == 200
    assert (await asking.get("/models")).status_code == 200


async def test_who_did_it_is_on_record(shared: Api) -> None:
    ada = await actor(shared, somebody("ada", "admin"))
    answer = await ada.post("/policies", policy("by-ada"), correlation_id="launch 7")
    page = (await shared.get("/loan/events?event_type=policy_published&limit=1000")).json()
    (event,) = [e for e in page["items"] if e["data"]["name"] == "by-ada"]
    assert (event["actor"], event["correlation_id"]) == ("ada", "launch 7")
    assert answer.json()["position"] == f"{event['shard']}:{event['position']}"


# score models


async def test_a_model_is_registered_once_read_and_withdrawn(
    shared: Api, document: dict[str, Any]
) -> None:
    model = {**MODEL, "name": "once", "valid_to": "2026-12-31"}
    made = await shared.post("/models", model)
    assert made.status_code == 201, made.text
    assert (await shared.post("/models", model)).json()["changed"] is False
    other = await shared.post("/models", {**model, "owner": "somebody"})
    problem(other, 409, "model_version_taken")
    reversed_days = {**model, "version": "2", "valid_to": "2025-12-31"}
    problem(await shared.post("/models", reversed_days), 409, "model_days_reversed")
    over = await shared.post("/models/once/versions/1/withdrawal", {"reason": "drift"})
    read = (await shared.get("/models/once/versions/1")).json()
    assert (read["withdrawn"], read["valid_to"]) == (True, "2026-12-31")
    problem(await shared.get("/models/once/versions/9"), 404, "model_not_found")
    for body, component in ((made, "ModelAct"), (over, "ModelAct")):
        assert list(validator(document, component).iter_errors(body.json())) == []
    assert read in (await shared.get("/models")).json()["items"]


@pytest.fixture
async def strict(database_url: str, tmp_path: Path) -> AsyncIterator[Api]:
    settings = Settings(data_dir=tmp_path, database_url=database_url, registered_models=True)
    async with served_api(database_url, tmp_path, settings=settings) as found:
        yield found


SCORE: Final = {"model": "credit-risk", "model_version": "1", "score": 712}


async def test_only_scores_of_registered_models_that_are_valid_count_where_it_is_set(
    strict: Api,
) -> None:
    """A score need not name the artifact; one that does names the one registered."""
    path = await strict.applied()
    problem(await strict.post(f"{path}/score", SCORE), 409, "model_not_registered")
    await strict.post("/models", {**MODEL, "valid_to": "2026-06-30"})
    problem(await strict.post(f"{path}/score", SCORE), 409, "model_not_valid")
    dated = {**SCORE, "scored_on": "2026-06-30"}
    other = {**dated, "artifact_digest": "b0" * 32}
    problem(await strict.post(f"{path}/score", other), 409, "model_not_registered")
    same = {**dated, "artifact_digest": "a0" * 32}
    for taken in (same, dated):
        assert (await strict.post(f"{path}/score", taken)).status_code == 200
    await strict.post("/models/credit-risk/versions/1/withdrawal", {"reason": "drift"})
    problem(await strict.post(f"{path}/score", dated), 409, "model_not_valid")


async def test_any_model_may_score_where_it_is_not_set(api: Api) -> None:
    path = await api.applied()
    assert (await api.post(f"{path}/score", SCORE)).status_code == 200
