"""Authority over HTTP: the table of roles, refusals of authority, the kill switch, what was refused."""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from lending.api.translation import problem_of
from lending.contract.bodies import Body
from lending.contract.command_table import ROUTES, CommandRoute
from lending.domain.application.commands import command_name
from lending.domain.authority import MAY, MAY_ISSUE, Permission, Role
from lending.ledger.submission import Unstorable
from lending.ledger.verification import Epochs, ShardOfLog, check_stretch, read_identity
from lending.runtime.postgres import connect
from lending.service.ledger import new_id
from tests.api.acting import Actor, actor
from tests.api.served import APPLICATIONS, STORY, Api, names, problem, served_api
from tests.databases import Databases
from tests.identities import somebody
from tests.ledgers import libpq

pytestmark = pytest.mark.anyio
REJECT = {"outcome": "rejected", "reasons": ["excessive_obligations"]}
APPROVE = {"outcome": "approved"}
SCORE = {"model": "m", "model_version": "1", "score": 700}
READS: Mapping[str, Permission] = {
    APPLICATIONS: Permission.READ_APPLICATIONS,
    "/loan/events": Permission.READ_EVENTS,
    "/refusals": Permission.READ_REFUSALS,
    "/suspensions": Permission.READ_OPERATIONS,
    "/products": Permission.READ_OPERATIONS,
}


async def of_role(
    api: Api, *roles: Role, name: str = "", kind: str | None = None, **more: Any
) -> Actor:
    """Somebody new with these roles."""
    named = name or f"{'-'.join(roles)}-{new_id(0)}"
    return await actor(api, somebody(named, *roles, kind=kind, **more))


def example(route: CommandRoute) -> Any:
    body = Body(route.command, route.in_path, route.shown)
    return dict(route.example or body.example) if body.takes_anything else None


def nowhere(route: CommandRoute) -> str:
    """The route's path for an application that does not exist."""
    path = route.path.replace("{application_id}", str(new_id(0)))
    return path.replace("{offer_id}", "1").replace("{kind}", "fraud").replace("{version}", "7")


@pytest.mark.parametrize("role", Role)
async def test_each_role_may_issue_what_the_table_says_and_nothing_else(
    shared: Api, role: Role
) -> None:
    asking = await of_role(shared, role, kind="system" if role is Role.IMPORTER else "human")
    for route in ROUTES:
        answer = await asking.post(nowhere(route), example(route), idempotency_key=str(new_id(0)))
        if route.command not in MAY_ISSUE[role]:
            problem(answer, 403, "forbidden")
        elif route.opens:
            assert answer.status_code == 201
        else:
            problem(answer, 404, "application_not_found")


@pytest.mark.parametrize("role", Role)
async def test_each_role_may_read_and_suspend_as_the_table_says(shared: Api, role: Role) -> None:
    asking = await of_role(shared, role)
    for path, permission in READS.items():
        assert (await asking.get(path)).status_code == (200 if permission in MAY[role] else 403)
    switch = await asking.post("/suspensions", {"subject": "automation"})
    assert switch.status_code == (422 if role is Role.ADMIN else 403)


async def test_a_command_that_its_role_forbids_leaves_no_trace(api: Api) -> None:
    path = await api.applied()
    before = api.count("ledger.command_keys")
    analyst = await of_role(api, Role.ANALYST)
    problem(await analyst.post(f"{path}/notes", {"text": "x"}), 403, "forbidden")
    assert api.count("ledger.command_keys") == before


async def test_who_scored_it_does_not_decide_it_but_the_policy_does(api: Api) -> None:
    both = await of_role(api, Role.RISK, Role.UNDERWRITER, name="ada", amounts={"USD": "90000"})
    path = await api.applied()
    assert (await both.post(f"{path}/score", SCORE)).status_code == 200
    refused = problem(await both.post(f"{path}/decision", APPROVE), 403, "own_score")
    assert refused["retryable"] is False
    assert "decide" in names(refused["allowed_commands"])  # by the policy
    assert (await both.post(f"{path}/decision")).json()["status"] == "approved"
    assert "decide" not in names((await both.get(path)).json()["allowed_commands"])


async def test_a_refusal_names_the_limit_and_who_could(api: Api) -> None:
    await of_role(api, Role.UNDERWRITER, name="bert", amounts={"USD": "12000"})
    small = await of_role(api, Role.UNDERWRITER, name="cleo", amounts={"USD": "5000"})
    path = await api.applied()
    refused = problem(await small.post(f"{path}/decision", APPROVE), 403, "above_authority")
    assert refused["detail"].endswith("(12000.00 USD; cleo may approve at most 5000; bert could)")
    decided = await small.post(f"{path}/decision", REJECT)
    assert decided.json()["status"] == "rejected"
    override = {**APPROVE, "justification": "x"}
    problem(await small.post(f"{path}/override", override), 403, "human_required")


async def test_what_a_principal_might_do_is_recorded_with_what_it_did(api: Api) -> None:
    asking = await of_role(api, Role.UNDERWRITER, Role.RISK, name="ada", amounts={"USD": "500.50"})
    path = await api.applied()
    score = (await asking.post(f"{path}/score", SCORE)).json()["events"][0]
    assert score["actor"] == "ada"
    recorded = score["authority"]
    assert recorded.pop("credential").startswith("key ")
    assert recorded == {"limits": {"USD": "500.50"}, "roles": ["risk", "underwriter"]}
    first, second = (await api.get(f"{path}/events")).json()["items"]
    assert first["authority"] is None
    assert second["authority"] == score["authority"] | {
        "credential": second["authority"]["credential"]
    }


async def test_leaves_of_both_formats_are_proved_and_told_apart(api: Api) -> None:
    risk = await of_role(api, Role.RISK)
    path = await api.applied()
    await risk.post(f"{path}/score", SCORE)
    assert await unproved(api) == []
    with psycopg.connect(api.database_url) as owner:
        owner.execute("alter table ledger.loan_events disable trigger all")
        changed = owner.execute(
            "update ledger.loan_events set authority = null where authority is not null"
        )
        assert changed.rowcount == 1
    assert await unproved(api) == [int(api.rows("select max(position) from loan_events")[0][0])]


async def unproved(api: Api) -> list[int | None]:
    """The positions at which `lending verify` would find something in the log."""
    async with await connect(api.database_url, None, "test") as connection:
        identity = await read_identity(connection)
        assert identity is not None
        log = ShardOfLog(identity[0], 0, Epochs({1: 1}))
        found = await check_stretch(connection, log, 0, api.count())
        return [*found.suspects.positions, *(one.position for one in found.findings.kept)]


# next steps


async def test_each_next_step_says_where_it_goes_and_what_it_takes(api: Api) -> None:
    path = await api.applied()
    document = (await api.get("/openapi.json")).json()
    await api.post(f"{path}/offers", {"amount": 12000})
    for steps in (
        (await api.post(f"{path}/holds", {"kind": "legal"})).json()["allowed_commands"],
        (await api.get(path)).json()["allowed_commands"],
        problem(await api.post(f"{path}/decision"), 409, "application_held")["allowed_commands"],
    ):
        assert "release" in names(steps)
        for step in steps:
            assert step["path"].startswith(f"{path}/")
            template = step["path"].replace(path, APPLICATIONS + "/{application_id}")
            operation = document["paths"][template][step["method"].lower()]
            assert operation["operationId"] == step["command"]
            where, _, name = step["schema"].partition("#/components/schemas/")
            assert where == "/openapi.json"
            body = operation["requestBody"]["content"]["application/json"]["schema"]
            assert body == {"$ref": f"#/components/schemas/{name}"}
            assert name in document["components"]["schemas"]


async def test_next_steps_are_those_of_who_asks(api: Api) -> None:
    path = await api.applied()
    for role in (Role.RISK, Role.INTAKE, Role.AUDITOR):
        asking = await of_role(api, role)
        found = names((await asking.get(path)).json()["allowed_commands"])
        may = [command_name(route.command) for route in ROUTES if route.command in MAY_ISSUE[role]]
        assert set(found) <= set(may)
        assert bool(found) is bool(may)


# the kill switch


@pytest.fixture
async def two(
    postgres_server: Databases, template_database: str, tmp_path: Path
) -> AsyncIterator[tuple[Api, Api]]:
    """One ledger, opened and served twice."""
    with postgres_server.temporary("two", template_database) as url:
        async with served_api(url, tmp_path) as one, served_api(url, tmp_path) as other:
            yield one, other


async def within_a_second(asked: Any, status: int) -> Any:
    """The first answer of `asked` with this status, which must come within a second."""
    deadline = time.monotonic() + 1
    while (answer := await asked()).status_code != status:
        assert time.monotonic() < deadline, answer.text
        await asyncio.sleep(0.02)
    return answer


async def test_who_is_suspended_is_stopped_in_every_process_within_a_second(
    two: tuple[Api, Api],
) -> None:
    here, there = two
    admin = await of_role(here, Role.ADMIN)
    risk = somebody("scorer", "risk")
    asking = await actor(there, risk)
    path = await here.applied()
    assert (await asking.post(f"{path}/score", SCORE)).status_code == 200
    drill = {"subject": "principal", "name": "scorer", "reason": "a drill"}
    suspended = await admin.post("/suspensions", drill, correlation_id="drill 7")
    assert suspended.headers["correlation-id"] == "drill 7"
    done = suspended.json()
    assert (done["changed"], done["suspended"], done["reason"]) == (True, True, "a drill")
    refused = problem(await asking.post(f"{path}/score", SCORE), 403, "principal_suspended")
    assert "a drill" in refused["detail"]
    assert not {"allowed_commands", "current_version"} & set(refused)
    read = await within_a_second(lambda: asking.get(path), 403)
    assert "a drill" in problem(read, 403, "principal_suspended")["detail"]
    over = {**drill, "reason": "the drill is over"}
    done = (await admin.post("/suspensions/reinstatements", over)).json()
    assert (done["suspended"], done["reason"]) == (False, "the drill is over")
    again = (await admin.post("/suspensions/reinstatements", over)).json()
    assert (again["changed"], again["reason"], again["position"]) == (False, None, None)
    assert done["position"].startswith("0:")
    await within_a_second(lambda: asking.get(path), 200)
    assert (await asking.post(f"{path}/score", SCORE)).status_code == 200


async def test_automated_decisions_stop_at_once_wherever_they_are_asked_for(
    two: tuple[Api, Api],
) -> None:
    here, there = two
    agent = await of_role(there, Role.UNDERWRITER)
    human = await of_role(there, Role.UNDERWRITER, kind="human")
    paths = [await here.applied() for _ in range(3)]
    await here.post("/suspensions", {"subject": "automation", "reason": "drift"})
    for answer in (
        await there.post(f"{paths[0]}/decision"),
        await agent.post(f"{paths[1]}/decision", REJECT),
        await human.post(f"{paths[1]}/decision"),
    ):
        assert "drift" in problem(answer, 403, "automation_suspended")["detail"]
    assert (await human.post(f"{paths[2]}/decision", REJECT)).status_code == 200
    await here.post("/suspensions/reinstatements", {"subject": "automation", "reason": "ok"})
    assert (await there.post(f"{paths[0]}/decision")).json()["status"] == "approved"


async def test_without_authentication_a_decision_of_ones_own_holds_while_automation_is_stopped(
    api: Api,
) -> None:
    """Nobody can be told from a person then, so next steps name the command that still holds."""
    path = await api.applied()
    await api.post("/suspensions", {"subject": "automation", "reason": "drift"})
    refused = problem(await api.post(f"{path}/decision"), 403, "automation_suspended")
    assert "decide" in [step["command"] for step in refused["allowed_commands"]]
    held = await api.post(f"{path}/decision", REJECT)
    assert (held.status_code, held.json()["status"]) == (200, "rejected")


async def test_an_agents_next_steps_hold_no_decision_while_automation_is_stopped(api: Api) -> None:
    path = await api.applied()
    agent = await of_role(api, Role.UNDERWRITER)
    await api.post("/suspensions", {"subject": "automation", "reason": "drift"})
    refused = problem(await agent.post(f"{path}/decision", REJECT), 403, "automation_suspended")
    assert "decide" not in [step["command"] for step in refused["allowed_commands"]]


async def test_an_operator_suspends_from_a_shell_beside_the_service(api: Api) -> None:
    asking = await of_role(api, Role.RISK, name="scorer")
    path = await api.applied()

    async def lending(*arguments: str) -> tuple[int, str]:
        ran = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "lending", *arguments,
            env={
                **os.environ,
                "DATABASE_URL": api.database_url,
                "LENDING_DATA_DIR": str(api.settings.data_dir),
            },
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        told, _ = await ran.communicate()
        return ran.returncode or 0, told.decode()

    suspend = ("suspend", "principal", "scorer", "--reason", "a drill")
    assert await lending(*suspend) == (0, "principal scorer is suspended\n")
    problem(await asking.post(f"{path}/score", SCORE), 403, "principal_suspended")
    assert await lending(*suspend) == (0, "principal scorer is suspended, and was so already\n")
    code, told = await lending("suspend", "policy", "unheard-of", "--reason", "r")
    assert (code, told) == (1, "lending: no policy unheard-of was published\n")
    over = ("reinstate", "principal", "scorer", "--reason", "over")
    assert await lending(*over) == (0, "principal scorer is not suspended\n")
    await within_a_second(lambda: asking.post(f"{path}/score", SCORE), 200)


def effective(**ago: float) -> dict[str, str]:
    """The header of a command that counts from so long ago."""
    return {"lending_effective_at": (datetime.now(UTC) - timedelta(**ago)).isoformat()}


async def imported(importer: Actor) -> str:
    """An application of an hour ago; its path."""
    answer = await importer.post(APPLICATIONS, STORY, **effective(hours=1))
    assert answer.status_code == 201, answer.text
    return str(answer.headers["location"])


@pytest.mark.parametrize("seconds", [None, -3, 0, 50])
async def test_an_importer_that_acts_now_is_held_to_what_everybody_is(
    api: Api, seconds: int | None
) -> None:
    importer = await of_role(api, Role.IMPORTER, name="importer")
    path = await imported(importer)
    given = {} if seconds is None else effective(seconds=seconds)
    refused = await importer.post(f"{path}/decision", APPROVE, **given)
    assert "importer may approve none" in problem(refused, 403, "above_authority")["detail"]
    await api.post("/suspensions", {"subject": "automation", "reason": "a drill"})
    problem(await importer.post(f"{path}/decision", REJECT, **given), 403, "automation_suspended")


async def test_an_importer_records_what_was_decided_elsewhere(api: Api) -> None:
    importer = await of_role(api, Role.IMPORTER, name="importer")
    await api.post("/suspensions", {"subject": "automation", "reason": "a drill"})
    path = await imported(importer)
    decided = await importer.post(f"{path}/decision", APPROVE, **effective(seconds=70))
    assert decided.status_code == 200, decided.text


async def test_a_suspended_policy_decides_nothing(api: Api) -> None:
    path = await api.applied()
    drill = {"subject": "policy", "name": "debt-to-income@1", "reason": "a drill"}
    first = (await api.post("/suspensions", drill)).json()
    again = (await api.post("/suspensions", drill)).json()
    assert (first["changed"], again["changed"]) == (True, False)
    problem(await api.post(f"{path}/decision"), 403, "policy_suspended")
    (standing,) = (await api.get("/suspensions")).json()["items"]
    assert standing == {
        "subject": "policy", "name": "debt-to-income@1", "suspended": True, "reason": "a drill",
        "position": first["position"],
    }  # fmt: skip
    (event,) = (
        await api.get(f"/loan/events?after={int(first['position'][2:]) - 1}&limit=1")
    ).json()["items"]
    assert (event["event_type"], event["data"]) == ("suspended", drill)


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"subject": "automation", "name": "x", "reason": "r"}, 409, "name_unfit"),
        ({"subject": "principal", "reason": "r"}, 409, "name_unfit"),
        ({"subject": "principal", "name": "x"}, 422, "invalid_request"),
        ({"subject": "principal", "name": "x", "reason": ""}, 422, "invalid_request"),
        ({"subject": "everything", "reason": "r"}, 422, "invalid_request"),
        ({"subject": "policy", "name": "unheard-of", "reason": "r"}, 404, "policy_not_found"),
    ],
)
async def test_what_cannot_be_suspended_is_refused(
    shared: Api, body: Any, status: int, code: str
) -> None:
    problem(await shared.post("/suspensions", body), status, code)


async def test_a_suspended_principal_does_not_hear_its_stored_answers(api: Api) -> None:
    asking = await of_role(api, Role.INTAKE, name="intake-1")
    assert (await asking.post(APPLICATIONS, STORY, idempotency_key="k")).status_code == 201
    await api.post("/suspensions", {"subject": "principal", "name": "intake-1", "reason": "r"})
    again = await asking.post(APPLICATIONS, STORY, idempotency_key="k")
    problem(again, 403, "principal_suspended")


async def test_a_suspended_principal_hears_nothing_but_that_it_is_suspended(api: Api) -> None:
    asking = await of_role(api, Role.RISK, name="scorer")
    path = await api.applied()
    scored = await asking.post(f"{path}/score", SCORE, idempotency_key="used")
    assert scored.status_code == 200
    await api.post("/suspensions", {"subject": "principal", "name": "scorer", "reason": "a drill"})
    application_id = path.rpartition("/")[2]
    unknown = f"{APPLICATIONS}/{new_id(0)}"
    other = {**SCORE, "score": 600}
    answers = [
        await asking.post(f"{path}/score", SCORE, if_match='"99"'),
        await asking.post(f"{path}/score?dry_run=true", SCORE, if_match='"99"'),
        await asking.post(f"{path}/score", other, idempotency_key="used"),
        await asking.post(f"{path}/score", other, idempotency_key="new", if_match='"99"'),
        await asking.post(f"{unknown}/score", SCORE),
        await asking.post(f"{APPLICATIONS}/00000000-0000-0000-0000-000000000001/score", SCORE),
    ]
    one = {"command": "score", "body": SCORE, "idempotency_key": "bulk", "if_match": '"99"'}
    for atomic in (False, True):
        for about in (application_id, str(new_id(0))):
            many = await asking.post(
                "/loan/commands", {"atomic": atomic, "commands": [{**one, "application_id": about}]}
            )
            (item,) = many.json()["items"]
            assert (item["status"], item["body"]["code"]) == (403, "principal_suspended"), item
            assert "a drill" in item["body"]["detail"]
            assert not {"allowed_commands", "current_version"} & set(item["body"])
            assert "ETag" not in item.get("headers", {})
    for answer in answers:
        body = problem(answer, 403, "principal_suspended")
        assert "a drill" in body["detail"]
        assert not {"allowed_commands", "current_version"} & set(body)
        assert "etag" not in answer.headers
    over = {"subject": "principal", "name": "scorer", "reason": "over"}
    await api.post("/suspensions/reinstatements", over)
    again = await asking.post(f"{path}/score", SCORE, if_match='"99"')
    problem(again, 412, "precondition_failed")


async def test_an_act_refuses_headers_that_mean_nothing_there(api: Api) -> None:
    stop = {"subject": "automation", "reason": "r"}
    admin = await of_role(api, Role.ADMIN)
    for name, value, code in (
        ("if_match", '"1"', "if_match_invalid"),
        ("lending_effective_at", "2026-01-01T00:00:00Z", "lending_effective_at_invalid"),
    ):
        problem(await admin.post("/suspensions", stop, **{name: value}), 422, code)
    problem(await admin.post("/suspensions", stop, lending_actor="x"), 403, "acting_not_allowed")
    assert (await admin.post("/suspensions", stop, idempotency_key="k")).status_code == 200


def test_what_one_command_cannot_have_stored_is_its_own_problem() -> None:
    found = problem_of(Unstorable("rows"))
    assert found is not None
    assert (found.status, found.retryable) == (422, False)


# what was refused


async def test_refused_commands_are_listed_newest_first_by_pages(api: Api) -> None:
    path = await api.applied()
    keyed = {"idempotency-key": "k"}
    problem(await api.post(f"{path}/disbursements", headers=keyed), 409, "no_accepted_offer")
    problem(await api.post(f"{path}/holds/fraud/release"), 409, "not_held")
    agent = await of_role(api, Role.UNDERWRITER, name="ada", acts_for=("desk-7",))
    refused = await agent.post(f"{path}/decision", APPROVE, lending_actor="desk-7")
    problem(refused, 403, "above_authority")
    whole = (await api.get("/refusals")).json()
    assert [one["refusal"] for one in whole["items"]] == [
        "above_authority", "not_held", "no_accepted_offer",
    ]  # fmt: skip
    assert whole["next"] is None
    last = whole["items"][0]
    assert (last["principal"], last["on_behalf_of"], last["command"]) == ("ada", "desk-7", "decide")
    assert path.endswith(last["application_id"])
    assert "may approve none" in last["detail"]
    query = "limit=1"
    for place, expected in enumerate(whole["items"], 1):
        page = (await api.get(f"/refusals?{query}")).json()
        assert page["items"] == [expected]
        assert (page["next"] is None) is (place == len(whole["items"]))
        query = f"limit=1&after={page['next']}"


async def test_refused_commands_are_found_by_who_what_and_why(api: Api) -> None:
    one, other = await api.applied(), await api.applied()
    for path in (one, other):
        await api.post(f"{path}/holds/fraud/release")
    await api.post(f"{one}/offers/1/refusal")
    found = {
        f"application_id={one.rsplit('/')[-1]}": 2,
        "refusal=not_held": 2,
        "refusal=not_held&principal=local": 2,
        "principal=ada": 0,
    }
    for query, count in found.items():
        assert len((await api.get(f"/refusals?{query}")).json()["items"]) == count
    problem(await api.get("/refusals?refusal=nonsense"), 422, "invalid_request")


async def test_auditors_query_refused_commands_and_analysts_do_not(api: Api) -> None:
    await api.post(f"{await api.applied()}/holds/fraud/release")
    with psycopg.connect(libpq(api.database_url, "lending_auditor")) as auditor:
        rows = auditor.execute("select refusal from refused_commands").fetchall()
        assert rows == [("not_held",)]
    with (
        psycopg.connect(libpq(api.database_url, "lending_analyst")) as analyst,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        analyst.execute("select refusal from refused_commands")
