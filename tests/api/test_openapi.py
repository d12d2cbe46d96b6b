"""The OpenAPI document: valid, and true of what the service takes and gives."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from jsonschema import Draft202012Validator, FormatChecker
from openapi_spec_validator import OpenAPIV31SpecValidator

from lending.contract.bodies import Body
from lending.contract.command_table import ROUTES, CommandRoute
from lending.domain.servicing.commands import ServicingCommand
from tests.api.served import APPLICATIONS, STORY, Api, problem

pytestmark = pytest.mark.anyio
# What goes before a command's example, so that the rules let it pass: suffix and body.
BEFORE: dict[str, list[tuple[str, Any]]] = {
    "/information": [("/information-requests", {"items": ["proof_of_income"]})],
    "/override": [("/decision", None)],
    "/notices": [("/decision", {"outcome": "rejected", "reasons": ["excessive_obligations"]})],
    "/holds/{kind}/release": [("/holds", {"kind": "fraud"})],
    "/offers/{offer_id}/return": [("/offers", {"amount": 12000})],
    "/offers/{offer_id}/acceptance": [("/offers", {"amount": 12000})],
    "/offers/{offer_id}/refusal": [("/offers", {"amount": 12000})],
    "/offers/{offer_id}/withdrawal": [("/offers", {"amount": 12000})],
    "/disbursements": [
        ("/offers", {"amount": 12000}), ("/offers/1/acceptance", None), ("/decision", None),
    ],
}  # fmt: skip


@pytest.fixture
async def document(shared: Api) -> dict[str, Any]:
    """The document as it is served."""
    answer = await shared.get("/openapi.json")
    assert answer.headers["content-type"] == "application/json"
    found: dict[str, Any] = answer.json()
    return found


def validator(document: dict[str, Any], component: str) -> Draft202012Validator:
    """Validates by a component of the document."""
    root = {"$ref": f"#/components/schemas/{component}", "components": document["components"]}
    return Draft202012Validator(root, format_checker=FormatChecker())


async def test_the_document_is_valid(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1")
    assert list(OpenAPIV31SpecValidator(document).iter_errors()) == []
    for schema in document["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


async def test_every_route_is_in_it_once_by_a_name(shared: Api, document: dict[str, Any]) -> None:
    operations = [o for methods in document["paths"].values() for o in methods.values()]
    names = [operation["operationId"] for operation in operations]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z_]+", name) for name in names)
    assert all(operation["summary"] for operation in operations)
    for path, methods in document["paths"].items():
        named = {p["name"] for p in methods[min(methods)]["parameters"] if p["in"] == "path"}
        assert named == set(re.findall(r"{(\w+)}", path))
        options = await shared.client.options(re.sub(r"{\w+}", "1", path))
        assert {m.upper() for m in methods} <= set(options.headers["allow"].split(", "))


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.command.__name__)
async def test_examples_fit_their_schema_and_are_accepted(
    shared: Api, document: dict[str, Any], route: CommandRoute
) -> None:
    operation = document["paths"][route.path]["post"]
    content = operation["requestBody"]["content"]["application/json"]
    component = content["schema"]["$ref"].rpartition("/")[2]
    assert list(validator(document, component).iter_errors(content["example"])) == []
    suffix = route.path.removeprefix(APPLICATIONS).removeprefix("/{application_id}")
    headers = {"idempotency-key": f"example {route.command.__name__}"}
    if route.opens:
        path = APPLICATIONS
    else:
        path = (
            await applied_with_expired_offer(shared)
            if "expiry" in suffix
            else await shared.applied()
        )
        for earlier, body in BEFORE.get(suffix, []):
            assert (await shared.post(path + earlier, body)).status_code == 200
        path += suffix.replace("{kind}", "fraud").replace("{offer_id}", "1")
    said = {**content["example"]}
    if "sent_on" in said:  # not before the application, which is of today
        said["sent_on"] = str(datetime.now(UTC).date() + timedelta(days=1))
    answer = await shared.post(path.replace("{version}", "7"), said, headers=headers)
    if issubclass(route.command, ServicingCommand):
        assert answer.status_code in (200, 409), answer.text  # read, whatever the rules say
        return
    assert answer.status_code == (201 if route.opens else 200), answer.text


async def applied_with_expired_offer(api: Api) -> str:
    """An application whose offer 1 has lapsed."""
    headers = {"lending-effective-at": "2020-01-01T09:00:00Z"}
    path = str((await api.post(APPLICATIONS, STORY, headers=headers)).headers["location"])
    await api.post(f"{path}/offers", {"amount": 1, "valid_until": "2020-01-02"}, headers=headers)
    return path


async def test_answers_fit_their_schemas(shared: Api, document: dict[str, Any]) -> None:
    given = {**STORY, "purpose": "p", "co_applicants": [{"applicant_id": "b", "income": 1}]}
    applied = await shared.post(APPLICATIONS, given)
    path = applied.headers["location"]
    assert list(validator(document, "CommandAnswer").iter_errors(applied.json())) == []
    await shared.post(f"{path}/score", {"model": "m", "model_version": "1", "score": "0.71"})
    await shared.post(f"{path}/offers", {"amount": 12000, "rate_percent": 7.25})
    await shared.post(f"{path}/offers/1/acceptance")
    rehearsed = await shared.post(f"{path}/decision?dry_run=true")
    assert list(validator(document, "CommandAnswer").iter_errors(rehearsed.json())) == []
    await shared.post(f"{path}/decision")
    await shared.post(f"{path}/disbursements", headers={"idempotency-key": "d"})
    read = await shared.get(path)
    assert list(validator(document, "Application").iter_errors(read.json())) == []
    feed = (await shared.get("/loan/events?limit=1000")).json()
    for event in feed["items"]:
        assert list(validator(document, "Event").iter_errors(event)) == []
    for row in (await shared.get("/projections")).json()["items"]:
        assert list(validator(document, "Projection").iter_errors(row)) == []
    refused = problem(await shared.post(f"{path}/withdrawal"), 409, "already_disbursed")
    invalid = problem(await shared.post(APPLICATIONS, {}), 422, "invalid_request")
    rewound = problem(await shared.get("/loan/events?after=0:99999"), 410, "history_rewound")
    for body in (refused, invalid, rewound):
        assert list(validator(document, "Problem").iter_errors(body)) == []


async def test_what_is_required_may_not_be_missing(document: dict[str, Any]) -> None:
    for route in ROUTES:
        body = Body(route.command, route.in_path)
        operation = document["paths"][route.path]["post"]
        assert operation["requestBody"]["required"] == body.required
        schema = document["components"]["schemas"][route.command.__name__]
        assert schema["additionalProperties"] is False
        assert set(route.in_path).isdisjoint(schema["properties"])


async def test_the_page_needs_nothing_from_elsewhere(shared: Api) -> None:
    page = await shared.get("/docs")
    assert page.status_code == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    assert "://" not in page.text
    assets = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(assets) == 4
    for asset in assets:
        answer = await shared.get(asset)
        assert answer.status_code == 200
        assert len(answer.content) > 100
        if asset.endswith(".css"):
            assert re.search(r"@import|url\((?!\"?data:)", answer.text) is None
    assert '"/openapi.json"' in (await shared.get("/docs/page.js")).text
    home = await shared.get("/")
    assert (home.status_code, home.headers["location"]) == (307, "/docs")
