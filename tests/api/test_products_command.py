"""`lending products`, from a shell beside the service."""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest

from tests.api.served import Api

pytestmark = pytest.mark.anyio
PRODUCT: Final[dict[str, Any]] = {
    "name": "personal",
    "version": "1",
    "terms": {"currency": "USD", "rate_percent": 9.9, "instalments": 36},
}


class Ran(NamedTuple):
    """How a command ended, and what it said."""

    code: int
    out: str
    err: str


async def lending(api: Api, *arguments: str, given: str = "") -> Ran:
    ran = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "lending", "products", *arguments,
        env={
            **os.environ,
            "DATABASE_URL": api.database_url,
            "LENDING_DATA_DIR": str(api.settings.data_dir),
        },
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await ran.communicate(given.encode())
    return Ran(ran.returncode or 0, out.decode(), err.decode())


async def test_a_product_is_published_shown_and_withdrawn(api: Api, tmp_path: Path) -> None:
    file = tmp_path / "personal.json"
    file.write_text(json.dumps(PRODUCT))
    made = await lending(api, "publish", str(file))
    assert made.code == 0, made.err
    assert made.out.startswith("personal 1 is on record, published at position ")
    assert "already" not in made.out
    served = (await api.get("/products/personal")).json()
    shown = await lending(api, "show", "personal")
    assert json.loads(shown.out) == served["product"]
    assert served["digest"] in shown.err
    again = await lending(api, "publish", "-", given=shown.out)
    assert again.out == made.out.replace("\n", ", and was so already\n")
    over = await lending(api, "withdraw", "personal", "1", "--reason", "replaced")
    assert over.out.startswith("personal 1 is withdrawn, published at position ")
    gone = await lending(api, "show", "personal")
    assert gone == Ran(1, "", "lending: no product personal is offered\n")
    assert (await lending(api, "show", "personal", "1")).out == shown.out
    listed = await lending(api, "list")
    (row,) = [line for line in listed.out.splitlines() if "personal" in line]
    assert all(word in row for word in ("USD", "9.9 %", "36", "withdrawn"))


async def test_what_is_no_product_is_one_sentence(api: Api, tmp_path: Path) -> None:
    absent = await lending(api, "publish", str(tmp_path / "absent.json"))
    assert absent.code == 1
    assert absent.err.endswith("cannot be read: No such file or directory\n")
    broken = await lending(api, "publish", "-", given="{")
    assert broken.err.startswith("lending: - is not JSON: ")
    partial = await lending(api, "publish", "-", given='{"name": "p", "terms": {}}')
    assert "/version is required" in partial.err
    assert "/terms/currency is required" in partial.err
    wrong = {**PRODUCT, "amount_min": 2, "amount_max": 1}
    faulty = await lending(api, "publish", "-", given=json.dumps(wrong))
    assert faulty == Ran(
        1,
        "",
        "lending: the product cannot be meant; bounds_reversed: A lower bound is above the upper"
        " one.\n",
    )
    unknown = await lending(api, "withdraw", "personal", "9", "--reason", "r")
    assert unknown.err == "lending: there is no version 9 of a product personal\n"
    empty = await lending(api, "withdraw", "personal", "9", "--reason", "")
    assert empty.err == "lending: /reason must have at least 1 character(s)\n"
