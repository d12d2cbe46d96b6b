"""The loan tape: what of the loans goes to those who watch a portfolio."""

import csv
import io
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path
from subprocess import CompletedProcess

import psycopg
import pytest

import tests
from lending.domain.loan.engine import payoff
from lending.domain.servicing import commands as s
from projections.registry import READ_MODELS
from tests.ledgers import libpq
from tests.projections.loan_lives import FUNDED_ON, LoanLife, accepted, boarded, funded, written
from tests.projections.test_loan_models import followed
from tests.projections.worlds import World

pytestmark = pytest.mark.anyio
Lending = Callable[..., CompletedProcess[str]]
AS_OF = date(2024, 4, 1)


def lines(text: str) -> dict[str, dict[str, str]]:
    return {line["application_id"]: line for line in csv.DictReader(io.StringIO(text))}


def says(line: dict[str, str], columns: str) -> str:
    return " ".join(line[column] for column in columns.split())


async def test_it_has_a_line_a_loan_with_its_arrears_on_the_day(
    world: World, lending: Lending, tmp_path: Path
) -> None:
    late = funded().must(s.Repay(amount=Decimal("106.62")), date(2024, 2, 15))
    current = funded().must(s.Repay(amount=Decimal("213.24")), date(2024, 2, 15))
    life_of = {written(world, life).id: life for life in (late, current, funded(None), boarded())}
    later = funded()
    later.events = [(AS_OF, event) for _, event in later.events]
    not_yet, not_a_loan = written(world, later), written(world, accepted())
    await followed(world, models=READ_MODELS)
    file = tmp_path / "tape.csv"
    done = lending("tape", "--as-of", f"{date(2024, 3, 31)}", "--output", f"{file}")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    tape = lines(file.read_text())
    assert set(tape) == {str(one) for one in life_of}
    assert str(not_yet.id) not in tape
    assert str(not_a_loan.id) not in tape
    first, second, bare, taken_over = tape.values()
    assert says(first, "oldest_unpaid_due_on past_due_days bucket") == "2024-03-15 16 1-29"
    assert says(first, "arrears next_due_on") == "106.62 2024-04-15"
    assert says(first, "reference product rate_percent") == "r-1 personal-loan 12"
    assert says(first, "original_principal paid interest_paid") == "1200.00 106.62 12.00"
    assert (second["past_due_days"], second["bucket"], second["arrears"]) == ("0", "", "0.00")
    assert (bare["product"], bare["original_principal"], bare["arrears"]) == ("", "1200.00", "")
    assert says(taken_over, "oldest_unpaid_due_on funded_on") == f"2024-01-01 {FUNDED_ON}"
    assert list(tmp_path.glob("*.part")) == []


async def test_what_came_after_the_day_is_not_on_it(world: World, lending: Lending) -> None:
    def upto_march() -> LoanLife:
        return funded().must(s.Repay(amount=Decimal("106.62")), date(2024, 2, 15))

    before = written(world, upto_march())
    await followed(world, models=READ_MODELS)
    first = lines(lending("tape", "--as-of", "2024-03-31").stdout)[str(before.id)]
    life = upto_march().must(s.Repay(amount=Decimal("200.00")), date(2024, 4, 20))
    owed = payoff(life.loan.known_terms, life.loan.entries, date(2024, 6, 2)).total
    gone = written(world, life.must(s.Repay(amount=owed), date(2024, 6, 2)))
    await followed(world, models=READ_MODELS)
    told = lines(lending("tape", "--as-of", "2024-03-31").stdout)[str(gone.id)]
    same = {*first} - {"application_id", "applicant_id"}
    assert {name: told[name] for name in same} == {name: first[name] for name in same}
    assert (told["status"], told["computed_through"]) == ("active", "2024-03-31")
    late = lines(lending("tape", "--as-of", "2024-06-02").stdout)[str(gone.id)]
    assert (late["status"], late["current_balance"], late["bucket"]) == ("paid_off", "0.00", "")


async def test_the_query_of_its_page_says_the_same_by_bucket(world: World) -> None:
    written(world, funded().must(s.Repay(amount=Decimal("106.62")), date(2024, 2, 15)))
    written(world, funded())
    await followed(world)
    page = (Path(tests.__file__).parents[1] / "docs" / "how-to" / "loan-tape.md").read_text()
    query = page.partition("```sql\n")[2].partition("```")[0].replace("2026-09-30", "2024-03-31")
    with psycopg.connect(libpq(world.database_url, "lending_analyst")) as analyst:
        rows = analyst.execute(query.encode()).fetchall()
    assert sorted(rows) == [
        ("1-29", 1, Decimal("1105.38"), Decimal("106.62")),
        ("30-59", 1, Decimal("1200.00"), Decimal("213.24")),
    ]


async def test_it_goes_to_standard_output_and_says_what_is_behind(
    world: World, lending: Lending
) -> None:
    written(world, funded())
    done = lending("tape", "--as-of", f"{AS_OF}")
    assert done.returncode == 0
    assert lines(done.stdout) == {}
    assert done.stdout.startswith("as_of,application_id,reference,")
    assert "loans is running, 5 events behind" in done.stderr


async def test_a_database_without_the_read_models_is_told_to_migrate(
    world: World, lending: Lending
) -> None:
    world.connection.execute("drop view read.loans cascade")
    done = lending("tape", "--as-of", f"{AS_OF}")
    assert (done.returncode, "lending migrate" in done.stderr) == (1, True)


def test_a_day_has_to_be_a_date(lending: Lending) -> None:
    assert lending("tape", "--as-of", "yesterday").returncode == 2
    assert lending("tape").returncode == 2
