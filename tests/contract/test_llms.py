"""The contract for models names everything that there is, in three pages."""

import pytest

from lending.contract.command_table import APPLICATION, ROUTES
from lending.contract.llms import llms_text
from lending.domain.application.commands import COMMANDS, command_name
from lending.domain.application.reasons import Reason
from lending.domain.application.refusals import Refusal
from lending.domain.authority import MAY_ISSUE, Role
from lending.runtime import limits
from tests.api.served import Api, served_api
from tests.databases import Databases

AUTHORITY = (
    Refusal.OWN_SCORE,
    Refusal.ABOVE_AUTHORITY,
    Refusal.HUMAN_REQUIRED,
    Refusal.PRINCIPAL_SUSPENDED,
    Refusal.AUTOMATION_SUSPENDED,
)


def test_it_names_every_command_where_it_is_sent_and_what_it_takes() -> None:
    lines = llms_text().splitlines()
    for route in ROUTES:
        path = route.path.replace(APPLICATION, "A")
        (line,) = [x for x in lines if x.startswith(f"- {command_name(route.command)}: {path} ")]
        for name in route.command.__slots__:
            assert name in line
    assert len(ROUTES) == len(COMMANDS)


def test_it_says_which_role_issues_what() -> None:
    lines = llms_text().splitlines()
    for role in Role:
        (line,) = [x for x in lines if x.startswith(f"- {role.value}: ")]
        named = line.partition("[")[0]
        if "every command" not in named:
            for kind in COMMANDS:
                assert (command_name(kind) in named.replace(",", " ").split()) is (
                    kind in MAY_ISSUE[role]
                )


def test_it_says_what_stands_against_who_asks() -> None:
    text = llms_text()
    assert all(f"- {refusal.code}: {refusal.meaning}" in text for refusal in AUTHORITY)


def test_it_lists_the_reasons() -> None:
    text = llms_text()
    assert all((r.value in text) is (r is not Reason.NOT_RECORDED) for r in Reason)


def test_it_is_three_pages_that_a_terminal_shows() -> None:
    text = llms_text()
    assert len(text) <= limits.LLMS_TEXT_MAX_CHARACTERS
    assert text.isascii()
    assert text.endswith("\n")


@pytest.mark.anyio
async def test_it_is_served_to_everybody(
    postgres_server: Databases, template_database: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with postgres_server.temporary("llms", template_database) as url:
        api: Api
        async with served_api(url, tmp_path_factory.mktemp("llms")) as api:
            found = await api.get("/llms.txt")
    assert found.status_code == 200
    assert found.headers["content-type"] == "text/plain; charset=utf-8"
    assert found.text == llms_text()
