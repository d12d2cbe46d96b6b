"""The pages about the read side say what the code does."""

from pathlib import Path

import pytest

import tests
from projections.registry import READ_MODELS
from tests.projections.worlds import World

ROOT = Path(tests.__file__).parents[1]
SHORT = {"timestamp with time zone": "timestamptz", "double precision": "double"}
COLUMNS = """
select a.attname, format_type(a.atttypid, a.atttypmod), col_description(a.attrelid, a.attnum)
from pg_attribute a where a.attrelid = %s::regclass and a.attnum > 0 order by a.attnum
"""


@pytest.mark.parametrize(
    "view",
    [
        *(model.name for model in READ_MODELS),
        *("trial_balance", "journal_imbalance"),
        *("projections", "quarantine", "refused_commands"),
    ],
)
def test_the_reference_has_every_column_as_the_database_describes_it(
    world: World, view: str
) -> None:
    page = (ROOT / "docs" / "reference" / "read-models.md").read_text()
    section = page.partition(f"\n## {view}\n")[2].partition("\n## ")[0]
    stated = [line for line in section.splitlines() if line.startswith("| `")]
    ((comment,),) = world.rows("select obj_description(%s::regclass)", [f"read.{view}"])
    assert comment in section
    assert stated == [
        f"| `{name}` | {SHORT.get(kind, kind)} | {meaning} |"
        for name, kind, meaning in world.rows(COLUMNS, [f"read.{view}"])
    ]
