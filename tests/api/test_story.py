"""The two-request story, word for word, against the service as users run it."""

from collections.abc import Callable

import httpx2
import psycopg

from tests.serving import Served


def test_apply_decide_and_see_it_in_sql(served: Callable[..., Served], database_url: str) -> None:
    base = served().base_url
    applied = httpx2.post(
        f"{base}/loan/applications",
        content='{"applicant_id":"cust_2002","amount":12000,"term_months":36,"income":6500}',
        headers={"content-type": "application/json"},
    )
    assert applied.status_code == 201
    application_id = applied.json()["application_id"]
    assert applied.json()["status"] == "stored"

    decided = httpx2.post(f"{base}/loan/applications/{application_id}/decision")
    assert decided.status_code == 200
    assert decided.json()["application_id"] == application_id
    assert decided.json()["status"] == "approved"
    (event,) = decided.json()["events"]
    assert event["data"]["policy"]["name"] == "debt-to-income"
    assert event["data"]["policy"]["version"] == "1"

    position = decided.json()["position"]
    listed = httpx2.get(
        f"{base}/loan/applications?min_position={position}", headers={"prefer": "wait=20"}
    )
    assert listed.status_code == 200, listed.text
    (row,) = listed.json()["items"]
    assert (row["id"], row["status"], row["amount"]) == (application_id, "approved", "12000.00")

    query = (
        "SELECT id, applicant_id, amount, term_months, income, status"
        " FROM loan_applications ORDER BY id DESC"
    )
    with psycopg.connect(database_url) as connection:
        (found,) = connection.execute(query).fetchall()
        created = connection.execute("SELECT created_at FROM loan_applications").fetchone()
    assert [str(value) for value in found] == [
        application_id, "cust_2002", "12000.00", "36", "6500.00", "approved",
    ]  # fmt: skip
    assert created is not None
