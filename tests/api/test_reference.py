"""The pages on HTTP say what the code says."""

from pathlib import Path

import pytest

from lending.api.problems import Fault, table
from lending.contract.command_table import ROUTES
from lending.domain.application.commands import command_name
from lending.domain.application.refusals import Refusal
from tests.api.served import Api, problem

pytestmark = pytest.mark.anyio
PAGE = Path(__file__).parents[2] / "docs" / "reference" / "http.md"


def test_every_command_is_on_the_page() -> None:
    page = PAGE.read_text("utf-8")
    for route in ROUTES:
        name = command_name(route.command)
        assert f"| `POST {route.path}` | [{name}](commands.md#{name}): " in page
    assert page.count("](commands.md#") == len(ROUTES)


def test_every_problem_is_on_the_page_as_it_is() -> None:
    page = PAGE.read_text("utf-8")
    assert [line for line in page.splitlines() if line.startswith(("| 4", "| 5"))] == [
        f"| {f.status} | `{f.code}` | {'yes' if f.retryable else 'no'} | {f.meaning} |"
        for f in Fault
    ]


async def test_every_method_of_every_path_is_on_the_page(shared: Api) -> None:
    page = PAGE.read_text("utf-8")
    document = (await shared.get("/openapi.json")).json()
    for path, methods in document["paths"].items():
        for method in {"get", "post", "put", "patch", "delete"} & methods.keys():
            assert f"`{method.upper()} {path}`" in page


def test_codes_are_unique_and_statuses_are_errors() -> None:
    codes = [kind.code for kind in table()]
    assert len(set(codes)) == len(codes)
    assert all(400 <= kind.status < 600 for kind in table())
    assert [kind.status for kind in table()][: len(Fault)] == sorted(f.status for f in Fault)


async def test_the_type_of_a_problem_leads_to_what_it_means(shared: Api) -> None:
    listed = (await shared.get("/problems")).json()["items"]
    assert [kind["code"] for kind in listed] == [kind.code for kind in table()]
    body = problem(await shared.get("/nothing"), 404, "not_found")
    kind = (await shared.get(body["type"])).json()
    assert kind == {
        "type": body["type"], "code": "not_found", "status": 404, "retryable": False,
        "meaning": Fault.NOT_FOUND.meaning,
    }  # fmt: skip
    refusal = (await shared.get(f"/problems/{Refusal.APPLICATION_ENDED.code}")).json()
    assert (refusal["status"], refusal["retryable"]) == (409, False)
