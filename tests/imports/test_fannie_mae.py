"""Fannie Mae's mortgages: what is inferred, what is planned, and what a served ledger makes of it.

The figures of the real files are those of docs/reference/mortgages.md.
"""

import gzip
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from pathlib import Path

import httpx2
import pytest

from lending.client import Capitalise, ChangeRate, PaymentKind, ReAge, ReAmortise, Repay
from lending.imports.errors import MalformedLine, UnreadableFile
from lending.imports.fannie_mae.files import Mortgage, first_of, read_mortgages
from lending.imports.fannie_mae.levels import after_level, annuity, interest, levels
from lending.imports.fannie_mae.plan import REPRODUCED, EndKind, MonthKind, Step, plan
from lending.imports.fannie_mae.product import PRODUCT
from lending.runtime.settings import Settings
from tests.identities import issued, somebody
from tests.serving import Served

D = Decimal
Serve = Callable[..., Served]
ROOT = Path(__file__).parents[2]
REAL = ROOT.parent / "shared" / "data" / "fannie_mae"
ACQUISITION = REAL / "Acquisition_2007Q3.txt.gz"
PERFORMANCE = REAL / "Performance_2007Q3.txt_0.gz"
needs_real_files = pytest.mark.skipif(
    not PERFORMANCE.exists(), reason=f"Fannie Mae's files are not at {REAL}"
)
RATE, LEVEL, OPENING = D(6), D("1199.10"), D("200000.00")
START = 2008 * 12
MONTHS = {
    MonthKind.NO_PAYMENT: 1_115,
    MonthKind.ONE_PAYMENT: 5_737,
    MonthKind.SEVERAL_PAYMENTS: 310,
    MonthKind.CENTS: 117,
    MonthKind.CURTAILMENT: 1_131,
    MonthKind.PARTIAL: 127,
    MonthKind.PRINCIPAL: 211,
    MonthKind.CAPITALISED: 26,
}
ENDS = {
    EndKind.PAID_OFF: 138,
    EndKind.SHORT_SALE: 2,
    EndKind.REPURCHASED: 3,
    EndKind.FORECLOSED: 10,
}

Told = tuple[Decimal | None, int]
"""A month's balance, and the months past due."""


def falling(count: int, balance: Decimal = OPENING, level: Decimal = LEVEL) -> Iterator[Decimal]:
    """Balances of a mortgage that is paid level payment by level payment, the first one included."""
    for _ in range(count):
        yield balance
        balance = after_level(balance, RATE, level)


def lines(
    name: str,
    balances: Sequence[Told],
    *,
    ended: str = "",
    rates: dict[int, Decimal] | None = None,
    modified_from: int = 1_000,
    proceeds: str = "",
) -> tuple[str, list[str]]:
    """The line of an acquisition, and those of its months from January 2008 on."""
    acquired = [""] * 25
    acquired[0], acquired[3], acquired[4], acquired[5] = name, f"{RATE}", "200000", "360"
    acquired[6], acquired[7] = "11/2007", "01/2008"
    rate, found = RATE, []
    for number, (balance, late) in enumerate(balances):
        rate = (rates or {}).get(number, rate)
        values = [""] * 31
        values[0], values[1] = name, f"{first_of(START + number):%m/%d/%Y}"
        values[3], values[4] = f"{rate}", "" if balance is None else f"{balance}"
        values[6], values[10] = f"{360 - number}.0", f"{late}"
        values[11] = "Y" if number >= modified_from else "N"
        if number == len(balances) - 1:
            values[12], values[22] = ended, proceeds
        found.append("|".join(values))
    return "|".join(acquired), found


def files(directory: Path, *written: tuple[str, list[str]]) -> tuple[Path, Path]:
    """The two files of these mortgages."""
    acquisition, performance = directory / "Acquisition.txt", directory / "Performance.txt"
    acquisition.write_text("".join(f"{one}\n" for one, _ in written))
    performance.write_text("".join(f"{line}\n" for _, found in written for line in found))
    return acquisition, performance


def mortgage(directory: Path, balances: Sequence[Told], **said: object) -> Mortgage:
    """A mortgage as it is read."""
    (found,) = read_mortgages(*files(directory, lines("m1", balances, **said)))  # type: ignore[arg-type]
    return found


def current(balances: Iterator[Decimal] | Sequence[Decimal]) -> list[Told]:
    """Balances of a mortgage that is never past due."""
    return [(balance, 0) for balance in balances]


def commands(step: Step) -> list[object]:
    """What a step asks for."""
    return [act.command for act in step.acts]


def test_a_month_bears_interest_by_twelfths_half_a_cent_up() -> None:
    assert interest(D("134364.00"), D("6.5")) == D("727.81")
    assert annuity(D("200000"), RATE, 360) == LEVEL
    assert annuity(D("1200"), D(0), 12) == D("100.00")


def test_the_level_payment_is_the_commonest_of_the_run_among_months_that_paid(
    tmp_path: Path,
) -> None:
    first = list(falling(4))
    late = [first[-1]] * 5
    again = list(falling(3, first[-1]))[1:]
    curtailed = [again[-1] - D(5000)]
    found = mortgage(tmp_path, current([*first, *late, *again, *curtailed]))
    assert set(levels(found.months)) == {LEVEL}


def test_a_payment_seen_once_says_nothing_of_others(tmp_path: Path) -> None:
    assert set(levels(mortgage(tmp_path, current(falling(2))).months)) == {None}


def test_level_payments_are_counted_never_measured(tmp_path: Path) -> None:
    paid = list(falling(6))
    told = [(paid[0], 0), (paid[1], 0), (paid[2], 0), (paid[2], 1), (paid[4], 0), (paid[5], 0)]
    steps = list(plan(mortgage(tmp_path, told)))
    assert [step.kind for step in steps[1:]] == [
        MonthKind.ONE_PAYMENT,
        MonthKind.ONE_PAYMENT,
        MonthKind.NO_PAYMENT,
        MonthKind.SEVERAL_PAYMENTS,
        MonthKind.ONE_PAYMENT,
    ]
    assert commands(steps[4]) == [Repay(amount=2 * LEVEL)]
    assert steps[3].acts == ()


def test_what_exceeds_level_payments_is_a_curtailment_from_the_last_due_date_paid(
    tmp_path: Path,
) -> None:
    paid = list(falling(4))
    behind = [paid[3], after_level(paid[3], RATE, LEVEL) - D(500)]
    told = [*current(paid), (paid[3], 1), (behind[1], 1)]
    step = list(plan(mortgage(tmp_path, told)))[-1]
    assert step.kind is MonthKind.CURTAILMENT
    assert commands(step) == [
        Repay(amount=LEVEL),
        Repay(amount=D("500.00"), kind=PaymentKind.PREPAYMENT),
    ]
    assert [act.month for act in step.acts] == [START + 5, START + 4]


def test_less_than_a_level_payment_leaves_no_arrears(tmp_path: Path) -> None:
    paid = list(falling(4))
    short = paid[3] - (LEVEL - D(100) - interest(paid[3], RATE))
    step = list(plan(mortgage(tmp_path, current([*paid, short]))))[-1]
    assert step.kind is MonthKind.PARTIAL
    assert commands(step) == [Repay(amount=LEVEL - 100), ReAmortise()]


def test_a_rise_capitalises_arrears_and_begins_a_new_schedule(tmp_path: Path) -> None:
    paid = list(falling(4))
    risen = paid[3] + D(4000)
    after = list(falling(3, risen, D("1250.00")))
    told = [*current(paid), (paid[3], 1), (paid[3], 2), (risen, 0)]
    found = mortgage(
        tmp_path,
        [*told, *current(after[1:])],
        rates={6: D("6.0")},
        modified_from=6,
    )
    step = list(plan(found))[6]
    assert step.kind is MonthKind.CAPITALISED
    assert [type(one) for one in commands(step)][1:] == [Capitalise, ReAge, ChangeRate]
    assert commands(step)[-1] == ChangeRate(rate_percent=RATE, instalment_amount=D("1250.00"))


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda line: line + "|", "32 fields instead of 31"),
        (lambda line: line.replace("01/01/2008", "13/01/2008"), "'13/01/2008' is no month"),
        (lambda line: line.replace("m1", "m2"), "m2 is not among the acquisitions"),
    ],
)
def test_a_malformed_line_is_named(tmp_path: Path, spoil: Callable[[str], str], words: str) -> None:
    acquired, found = lines("m1", current(falling(2)))
    with pytest.raises(MalformedLine, match=r"Performance\.txt, line 1: ") as caught:
        read_mortgages(*files(tmp_path, (acquired, [spoil(found[0]), *found[1:]])))
    assert words in str(caught.value)


def test_months_out_of_order_and_files_cut_off_are_refused(tmp_path: Path) -> None:
    acquired, found = lines("m1", current(falling(2)))
    with pytest.raises(MalformedLine, match="not in order"):
        read_mortgages(*files(tmp_path, (acquired, found[::-1])))
    acquisition, performance = files(tmp_path, (acquired, found))
    performance.write_bytes(gzip.compress(performance.read_bytes())[:-9])
    with pytest.raises(UnreadableFile):
        read_mortgages(acquisition, performance)


# a served ledger


def run(
    ledger: Served, acquisition: Path, performance: Path, **environment: str
) -> subprocess.CompletedProcess[str]:
    """The command, as an operator types it."""
    return subprocess.run(
        [
            sys.executable, "-m", "lending", "import", "fannie-mae",
            "--acquisition", str(acquisition), "--performance", str(performance),
            "--url", ledger.base_url,
        ],
        env={**os.environ, "COLUMNS": "120", **environment},
        capture_output=True,
        text=True,
        timeout=840,
        check=False,
    )  # fmt: skip


def imported(ledger: Served, acquisition: Path, performance: Path) -> str:
    """What the command prints when all goes well."""
    done = run(ledger, acquisition, performance)
    assert done.returncode == 0, done.stderr
    return done.stdout


def lives() -> list[tuple[str, list[str]]]:
    """A mortgage for each way to end, one that runs, and one that was modified on its way."""
    paid = list(falling(6))
    risen = paid[3] + D(4000)
    after = list(falling(4, risen, D("1250.00")))
    late = [(paid[3], 1), (paid[3], 2), (paid[3], 3)]
    return [
        lines("prepaid", current([*paid, paid[5]]), ended="01"),
        lines("short", [*current(paid[:4]), *late], ended="03", proceeds="150000.00"),
        lines("repurchased", current(paid), ended="06"),
        lines("foreclosed", [*current(paid[:4]), *late], ended="09", proceeds="90000.00"),
        lines("running", current(paid)),
        lines("modified", [*current(paid[:4]), *late[:2], *current(after)], modified_from=6),
        lines("untold", [(None, 0), (None, 0)], ended="01"),
    ]


def test_each_mortgage_becomes_a_loan_that_ends_as_the_file_says_and_once(
    served: Serve, tmp_path: Path
) -> None:
    ledger = served()
    written = files(tmp_path, *lives())
    said = imported(ledger, *written)
    assert "\n- " not in said
    listed = httpx2.get(f"{ledger.base_url}/loan/applications", params={"limit": 100}).json()
    statuses = {one["reference"]: one["status"] for one in listed["items"]}
    assert statuses == {
        "prepaid": "paid_off",
        "short": "settled",
        "repurchased": "transferred",
        "foreclosed": "written_off",
        "running": "active",
        "modified": "active",
        "untold": "paid_off",
    }
    heads = [head(ledger)]
    imported(ledger, *written)
    assert [head(ledger)] == heads


def head(ledger: Served) -> str:
    """The last position of the log."""
    after = None
    while True:
        query = {"limit": "1000", **({"after": after} if after else {})}
        page = httpx2.get(f"{ledger.base_url}/loan/events", params=query).json()
        if page["next"] is None:
            return str(page["items"][-1]["position"])
        after = page["next"]


async def test_who_may_not_publish_the_product_is_told_who_may(
    served: Serve, database_url: str, tmp_path: Path
) -> None:
    ledger = served(LENDING_AUTHENTICATION="required")
    settings = Settings(database_url=database_url, data_dir=tmp_path / "data")
    importer = somebody("import", "importer", kind="system", acts_for=("*",))
    admin = somebody("boss", "admin")
    keys = [(await issued(settings, one)).fresh.text for one in (importer, admin)]
    written = files(tmp_path, lines("running", current(falling(4))))
    refused = run(ledger, *written, LENDING_API_KEY=keys[0])
    assert refused.returncode == 1
    assert "lending products publish FILE" in refused.stderr
    answer = httpx2.post(
        f"{ledger.base_url}/products",
        json=definition(),
        headers={"Authorization": f"Bearer {keys[1]}"},
    )
    assert answer.status_code == 201, answer.text
    done = run(ledger, *written, LENDING_API_KEY=keys[0])
    assert done.returncode == 0, done.stderr
    assert "\n- " not in done.stdout


def definition() -> object:
    """The product as the documentation has it."""
    page = (ROOT / "docs" / "how-to" / "import.md").read_text()
    return json.loads(page[page.index("```json") + len("```json") : page.rindex("```")])


def test_the_documentation_has_the_product_that_is_published() -> None:
    assert definition() == dict(PRODUCT)


# the real files


@needs_real_files
def test_level_payments_alone_reproduce_four_months_in_five() -> None:
    mortgages = read_mortgages(ACQUISITION, PERFORMANCE)
    assert len(mortgages) == 177
    assert sum(len(one.months) for one in mortgages) == 10_000
    steps = [step for one in mortgages for step in plan(one)]
    assert Counter(step.kind for step in steps if step.compared) == MONTHS
    assert sum(MONTHS.values()) == 8_774
    assert sum(MONTHS[kind] for kind in REPRODUCED) == 7_162
    assert Counter(step.ended for step in steps if step.ended) == ENDS


WHOLE = "LENDING_WHOLE_FILES"
"""The variable that has the whole files imported into a served ledger, which takes minutes."""


@needs_real_files
@pytest.mark.slow
def test_the_ledger_has_the_files_balance_after_every_month_of_some(
    served: Serve, tmp_path: Path
) -> None:
    """Half of those that ended badly, some that were modified, some that were prepaid."""
    mortgages = read_mortgages(ACQUISITION, PERFORMANCE)
    chosen = [one for one in mortgages if one.months[-1].ended in ("03", "06", "09")][::2]
    chosen += [one for one in mortgages if one.months[-1].modified][1::6]
    chosen += [one for one in mortgages if one.months[-1].ended == "01"][::40]
    names = {one.name for one in chosen}
    performance = tmp_path / "Performance.txt"
    with gzip.open(PERFORMANCE, "rt") as whole:
        performance.write_text("".join(line for line in whole if line.split("|")[0] in names))
    said = imported(served(), ACQUISITION, performance)
    steps = [step for one in mortgages if one.name in names for step in plan(one)]
    compared = sum(step.compared for step in steps)
    reproduced = sum(step.compared and step.kind in REPRODUCED for step in steps)
    assert rows(said)["all"] == [f"{compared:,}"] * 2
    assert rows(said)["by level payments alone"][-1] == f"{reproduced:,}"
    ended = Counter(one.months[-1].ended for one in mortgages if one.name in names)
    assert {code: int(cells[-1]) for code, cells in ends(said).items() if code != "none"} == {
        code: number for code, number in ended.items() if code
    }
    assert set(ended) >= {"01", "03", "06", "09"}
    assert "\n- " not in said


@needs_real_files
@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(not os.environ.get(WHOLE), reason=f"takes minutes; {WHOLE}=1 runs it")
def test_the_ledger_has_the_files_balance_after_every_month_of_all(served: Serve) -> None:
    said = imported(served(), ACQUISITION, PERFORMANCE)
    print(said)  # noqa: T201 the figures of the documentation
    assert rows(said)["all"] == ["8,774", "8,774"]
    assert rows(said)["by level payments alone"][-1] == "7,162"
    assert ends(said) == {
        "01": ["paid_off", "138"],
        "03": ["settled", "2"],
        "06": ["transferred", "3"],
        "09": ["written_off", "10"],
        "none": ["active", "24"],
    }
    assert "\n- " not in said


def rows(said: str) -> dict[str, list[str]]:
    """The cells of the rows of printed tables, by their first."""
    found = {}
    for line in said.splitlines():
        if line.startswith("│"):
            first, *cells = (cell.strip() for cell in line.strip("│").split("│"))
            found[first] = cells
    return found


def ends(said: str) -> dict[str, list[str]]:
    """The rows of the table of ends, by the code."""
    table = rows(said[said.index("How the mortgages ended") :])
    return {first.split()[0]: cells for first, cells in table.items()}
