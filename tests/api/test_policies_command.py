"""`lending policies` and `lending models`, from a shell beside the service."""

import asyncio
import json
import os
import re
import sys
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest

from lending.api.policy_routes import EXAMPLE
from tests.api.served import Api
from tests.api.test_policies import EXAMPLES, HOW_TO

pytestmark = pytest.mark.anyio
FACTS: Final = {"amount_minor": 1_200_000, "currency": "USD", "term_months": 36}
MODEL: Final[dict[str, Any]] = {
    "name": "credit risk",
    "version": "1",
    "artifact_digest": "a0" * 32,
    "owner": "risk",
    "valid_from": "2026-01-01",
}


class Ran(NamedTuple):
    """How a command ended, and what it said."""

    code: int
    out: str
    err: str


async def lending(api: Api, *arguments: str, given: Any = None) -> Ran:
    ran = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "lending", *arguments,
        env={
            **os.environ,
            "DATABASE_URL": api.database_url,
            "LENDING_DATA_DIR": str(api.settings.data_dir),
        },
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await ran.communicate(b"" if given is None else json.dumps(given).encode())
    return Ran(ran.returncode or 0, out.decode(), err.decode())


async def test_a_policy_is_published_tried_activated_shown_and_withdrawn(api: Api) -> None:
    made = await lending(api, "policies", "publish", "-", given=dict(EXAMPLE))
    assert made == Ran(0, "small-loans 2026-10 is on record\n", "")
    named = ("small-loans", "2026-10")
    tried = await lending(api, "policies", "evaluate", *named, "-", given=FACTS)
    assert json.loads(tried.out)["outcome"] == "approved"
    done = await lending(api, "policies", "activate", *named)
    assert done.out == "small-loans 2026-10 decides from now on\n"
    served = (await api.get("/policies/small-loans/versions/2026-10")).json()
    assert served["active"] is True
    shown = await lending(api, "policies", "show", *named)
    assert json.loads(shown.out) == served["policy"]
    assert shown.err == f"small-loans 2026-10 is active, sha256 {served['digest']}\n"
    used = await lending(api, "policies", "withdraw", *named, "--reason", "r")
    assert used == Ran(1, "", "lending: small-loans 2026-10 decides, or will\n")
    listed = await lending(api, "policies", "list")
    (row,) = [line for line in listed.out.splitlines() if "small-loans" in line]
    assert "active" in row


async def test_the_commands_of_the_page_do_what_it_says(api: Api, tmp_path: Path) -> None:
    """Its policy, facts and model are files as it shows them."""
    blocks = re.findall(r"```sh\n(.+?)```", HOW_TO.read_text("utf-8"), flags=re.DOTALL)
    (tmp_path / "small-loans.json").write_text(EXAMPLES[0], "utf-8")
    told = [block for block in blocks if "small-loans.json" in block or "credit-risk" in block]
    assert len(told) == 2
    script = "\n".join(told).replace("localhost:8000", str(api.client.base_url))
    ran = await asyncio.create_subprocess_exec(
        "bash", "-c", f"set -e; lending() {{ {sys.executable} -m lending \"$@\"; }}\n{script}",
        cwd=tmp_path,
        env={
            **os.environ,
            "DATABASE_URL": api.database_url,
            "LENDING_DATA_DIR": str(api.settings.data_dir),
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    out, _ = await ran.communicate()
    assert ran.returncode == 0, out.decode()
    assert "small-loans 2026-10 decides from now on" in out.decode()
    assert "credit-risk 2026-10 is withdrawn" in out.decode()


async def test_a_faulty_policy_and_unfit_facts_are_sentences(api: Api) -> None:
    faulty = {**EXAMPLE, "facts": ["currency"]}
    refused = await lending(api, "policies", "publish", "-", given=faulty)
    assert refused.code == 1
    assert "fact_wrong at /cases/0/facts/amount_minor" in refused.err
    named = ("debt-to-income", "1")
    unfit = await lending(api, "policies", "evaluate", *named, "-", given={"currency": "USD"})
    assert "fact_wrong at /facts/amount_minor: is needed" in unfit.err


async def test_a_model_is_registered_listed_and_withdrawn(api: Api) -> None:
    made = await lending(api, "models", "register", "-", given=MODEL)
    assert made == Ran(0, "credit risk 1 is registered\n", "")
    again = await lending(api, "models", "register", "-", given=MODEL)
    assert again.out == "credit risk 1 is registered, and was so already\n"
    over = await lending(api, "models", "withdraw", "credit risk", "1", "--reason", "drift")
    assert over.out == "credit risk 1 is withdrawn\n"
    listed = await lending(api, "models", "list")
    (row,) = [line for line in listed.out.splitlines() if "credit risk" in line]
    assert all(word in row for word in ("risk", "2026-01-01", "withdrawn"))
