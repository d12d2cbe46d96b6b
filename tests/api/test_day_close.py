"""Closing a day over all loans, from a shell beside the service: by the day, once, and again at will."""

import asyncio
import os
import sys
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import pytest

from tests.api.served import Api
from tests.api.test_reading import worker
from tests.api.test_servicing import PRODUCT, running

pytestmark = pytest.mark.anyio


class Ran(NamedTuple):
    """How a command ended, and what it said."""

    code: int
    out: str
    err: str


async def day_close(api: Api, day: str) -> Ran:
    """`lending day-close DAY`."""
    ran = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "lending", "day-close", day,
        env={
            **os.environ,
            "DATABASE_URL": api.database_url,
            "LENDING_DATA_DIR": str(api.settings.data_dir),
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await ran.communicate()
    assert ran.returncode is not None
    return Ran(ran.returncode, out.decode(), err.decode())


async def test_a_day_is_closed_once_however_often_it_is_run(api: Api) -> None:
    assert (await api.post("/products", PRODUCT)).status_code == 201
    late, paid = await running(api), await running(api)
    await paid.does("/repayments", "2026-02-01", {"amount": "106.62"})
    waiting = await api.applied()
    offer = {"amount": 1, "valid_until": "2026-02-01"}
    headers = {"Lending-Effective-At": "2026-01-05T00:00:00Z"}
    long_ago = await api.post(
        "/loan/applications", {"applicant_id": "b", "amount": 1}, headers=headers
    )
    made = await api.post(long_ago.headers["location"] + "/offers", offer, headers=headers)
    assert made.status_code == 200
    async with worker(api):
        ran = await day_close(api, "2026-02-07")
        assert ran.code == 0, ran.err
        assert "looked at 3 applications" in ran.out
        assert "2 accruals, 1 late fees (25.00 USD), 0 losses, 1 expired offers" in ran.out
        count = api.count()
        again = await day_close(api, "2026-02-07")
        assert "booked 0 accruals, 0 late fees, 0 losses, 0 expired offers" in again.out
        assert api.count() == count
        end = await day_close(api, "2026-02-28")
        assert "booked 2 accruals" in end.out
    schedule = await late.reads("/schedule?effective_on=2026-02-28")
    assert schedule["balances"]["due"]["penalties"] == "25.00"
    days = api.rows(
        "select distinct effective_on::text from ledger.loan_events"
        " where event_type in ('charge_assessed', 'interest_accrued', 'offer_expired') order by 1"
    )
    assert days == [(f"2026-{day}",) for day in ("01-31", "02-01", "02-02", "02-07", "02-28")]
    assert (await api.get(waiting)).json()["version"] == 1


async def test_who_applied_after_the_day_is_left_alone_and_leaves_no_refusal(api: Api) -> None:
    assert (await api.post("/products", PRODUCT)).status_code == 201
    await running(api)
    async with worker(api):
        ran = await day_close(api, "2025-12-31")
    assert ran.code == 0, ran.err
    assert "looked at 0 applications" in ran.out
    assert "refused" not in ran.out
    assert api.rows("select count(*) from read.refused_commands") == [(0,)]


async def test_days_left_out_are_closed_over_http_each_on_its_own_day(api: Api) -> None:
    assert (await api.post("/products", PRODUCT)).status_code == 201
    loan = await running(api)
    rehearsed = await loan.does("/day-close?dry_run=true", "2026-03-10")
    done = await loan.does("/day-close", "2026-03-10")
    days = [one["effective_on"] for one in done["events"]]
    assert days == [one["effective_on"] for one in rehearsed["events"]]
    assert days == [f"2026-{day}" for day in ("01-31", "02-01", "02-07", "02-28", "03-01", "03-07")]
    assert {one["effective_at"] for one in done["events"][:1]} == {"2026-01-31T23:59:59.999999Z"}
    assert (await loan.does("/day-close", "2026-03-10"))["events"] == []
    shown = (await loan.reads("/events?after=5"))["items"]
    assert [one["effective_on"] for one in shown] == days


async def test_a_day_to_come_and_a_read_model_that_is_behind_are_said(api: Api) -> None:
    tomorrow = (datetime.now(UTC) + timedelta(days=2)).date()
    async with worker(api):
        ran = await day_close(api, str(tomorrow))
    assert ran.code == 1
    assert "has not come" in ran.err
    no_day = await day_close(api, "2026-02-30")
    assert no_day.code == 2
    assert "there is no 2026-02-30 in the calendar" in no_day.err
    assert "write it as YYYY-MM-DD" in (await day_close(api, "28.02.2026")).err
