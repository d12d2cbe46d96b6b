"""Products over HTTP: publishing, reading and withdrawing them, and who may."""

import json
import re
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import pytest

from lending.api.product_routes import EXAMPLE
from lending.domain.authority import MAY, Permission, Role
from lending.domain.product_faults import FAULTS
from lending.ledger.canonical import canonical_json
from tests.api.acting import actor
from tests.api.served import Api, problem
from tests.api.test_openapi import document, validator
from tests.identities import somebody

pytestmark = pytest.mark.anyio
HOW_TO: Final = Path(__file__).parents[2] / "docs" / "how-to" / "products.md"
EXAMPLES: Final = re.findall(r"```json\n(.*?)```", HOW_TO.read_text("utf-8"), re.DOTALL)
TERMS: Final = {"currency": "USD", "rate_percent": 9.9, "instalments": 36}
__all__ = ("document",)


def product(name: str, version: str = "1", **more: Any) -> dict[str, Any]:
    return {"name": name, "version": version, "terms": TERMS, **more}


async def test_the_example_is_published_read_and_withdrawn(
    shared: Api, document: dict[str, Any]
) -> None:
    operation = document["paths"]["/products"]["post"]
    example = operation["requestBody"]["content"]["application/json"]["example"]
    assert example == EXAMPLE
    made = await shared.post("/products", example)
    assert made.status_code == 201, made.text
    path = made.headers["location"]
    assert path == "/products/personal-loan/versions/2026-10"
    read = (await shared.get(path)).json()
    assert read == (await shared.get("/products/personal-loan")).json()
    assert read["product"]["amount_max"] == "50000.00"
    assert read["product"]["terms"]["day_count"] == "30/360_us"
    assert sha256(canonical_json(read["product"])).hexdigest() == read["digest"]
    over = await shared.post(f"{path}/withdrawal", {"reason": "replaced"})
    assert (over.json()["withdrawn"], over.json()["changed"]) == (True, True)
    problem(await shared.get("/products/personal-loan"), 404, "product_not_found")
    assert (await shared.get(path)).json()["withdrawn"] is True
    listed = (await shared.get("/products")).json()
    for body, component in (
        (made.json(), "ProductAct"),
        (over.json(), "ProductAct"),
        (read, "ProductOnRecord"),
        *((row, "ProductRow") for row in listed["items"]),
    ):
        assert list(validator(document, component).iter_errors(body)) == []


async def test_the_same_again_changes_nothing_and_what_was_read_can_be_published(
    shared: Api,
) -> None:
    given = product("again", amount_min="1000")
    assert (await shared.post("/products", given)).status_code == 201
    again = await shared.post("/products", given)
    assert (again.status_code, again.json()["changed"]) == (200, False)
    assert "location" not in again.headers
    read = (await shared.get("/products/again")).json()["product"]
    assert (await shared.post("/products", read)).json()["changed"] is False
    other = product("again", amount_min="1001")
    problem(await shared.post("/products", other), 409, "product_version_taken")


async def test_every_example_of_the_page_can_be_published(shared: Api) -> None:
    assert len(EXAMPLES) == 3
    for example in map(json.loads, EXAMPLES):
        answer = await shared.post("/products", {**example, "version": "example"})
        assert answer.status_code == 201, answer.text


async def test_offers_are_made_of_the_version_published_last(shared: Api) -> None:
    for version in ("b", "a"):
        await shared.post("/products", product("newest", version))
    assert (await shared.get("/products/newest")).json()["version"] == "a"
    rows = (await shared.get("/products")).json()["items"]
    assert [row["version"] for row in rows if row["name"] == "newest"] == ["b", "a"]


@pytest.mark.parametrize(
    ("given", "status", "code"),
    [
        ({"terms": {**TERMS, "currency": "XXX"}}, 409, "product_faulty"),
        (
            {"terms": {**TERMS, "business_day_rule": "following", "holidays": "atlantis"}},
            404,
            "calendar_not_found",
        ),
        ({"terms": {**TERMS, "holidays": "us"}}, 409, "product_faulty"),
        ({"terms": {**TERMS, "instalments": 0}}, 422, "invalid_request"),
        ({"terms": {**TERMS, "rate": 1}}, 422, "invalid_request"),
        ({"terms": {**TERMS, "charge_off_days": 0}}, 422, "invalid_request"),
        ({"terms": {**TERMS, "late_fee": {}}}, 409, "product_faulty"),
        ({"version": "1/2"}, 422, "invalid_request"),
        ({"name": "Personal"}, 422, "invalid_request"),
    ],
)
async def test_what_cannot_be_published_is_refused(
    shared: Api, given: dict[str, Any], status: int, code: str
) -> None:
    problem(await shared.post("/products", {**product("refused"), **given}), status, code)
    problem(await shared.get("/products/refused"), 404, "product_not_found")


async def test_a_faulty_product_is_told_all_its_faults(
    shared: Api, document: dict[str, Any]
) -> None:
    wrong = product("faulty", amount_min=2, amount_max=1, terms={**TERMS, "rate_percent": -1})
    body = problem(await shared.post("/products", wrong), 409, "product_faulty")
    assert body["faults"] == ["negative_rate", "bounds_reversed"]
    for fault in body["faults"]:
        assert f"{fault}: {FAULTS[fault]}" in body["detail"]
    assert list(validator(document, "Problem").iter_errors(body)) == []


async def test_what_is_not_on_record_is_not_found(shared: Api) -> None:
    await shared.post("/products", product("known"))
    for path in ("/products/unheard-of", "/products/known/versions/2", "/products/A%20b"):
        problem(await shared.get(path), 404, "product_not_found")
    away = await shared.post("/products/known/versions/2/withdrawal", {"reason": "r"})
    problem(away, 404, "product_not_found")
    problem(await shared.post("/products/known/versions/1/withdrawal"), 422, "invalid_request")


@pytest.mark.parametrize("role", Role)
async def test_each_role_may_publish_and_withdraw_as_the_table_says(
    shared: Api, role: Role
) -> None:
    asking = await actor(shared, somebody(f"publisher-{role}", role))
    may = Permission.PUBLISH_PRODUCTS in MAY[role]
    assert may == (role is Role.ADMIN)
    made = await asking.post("/products", product(f"of-{role}"))
    over = await asking.post(f"/products/of-{role}/versions/1/withdrawal", {"reason": "r"})
    assert (made.status_code, over.status_code) == ((201, 200) if may else (403, 403))
    assert (await asking.get("/products")).status_code == 200


async def test_who_did_it_is_on_record(shared: Api) -> None:
    ada = await actor(shared, somebody("ada", "admin"))
    answer = await ada.post("/products", product("by-ada"), correlation_id="launch 7")
    assert answer.headers["correlation-id"] == "launch 7"
    page = (await shared.get("/loan/events?event_type=product_published&limit=1000")).json()
    (event,) = [e for e in page["items"] if e["data"]["product"]["name"] == "by-ada"]
    assert (event["actor"], event["correlation_id"]) == ("ada", "launch 7")
    assert event["authority"]["roles"] == ["admin"]
    assert answer.json()["position"] == f"{event['shard']}:{event['position']}"


async def test_an_act_takes_no_header_that_it_does_not_heed(shared: Api) -> None:
    given = product("headers")
    for header, value, code in (
        ("if-match", '"1"', "if_match_invalid"),
        ("lending-effective-at", "2026-01-01T00:00:00Z", "lending_effective_at_invalid"),
    ):
        answer = await shared.post("/products", given, headers={header: value})
        problem(answer, 422, code)
    kept = await shared.post("/products", given, headers={"idempotency-key": "k"})
    assert kept.status_code == 201
    problem(await shared.get("/products?after=1"), 422, "invalid_request")
