"""Files and packages keep the rules of the house."""

import ast
import re
from pathlib import Path

import pytest

import tests

ROOT = Path(tests.__file__).parents[1]
LINES_MAX = 500
CARRIED_ALONE = {"lending/verify_evidence.py": 1150}
"""Files that are handed to people who have nothing else of this program, and so cannot be divided."""
PYTHON = sorted(
    file for part in ("lending", "projections", "tests") for file in (ROOT / part).rglob("*.py")
)
SQL = sorted(
    file for part in ("lending", "projections", "schema") for file in (ROOT / part).rglob("*.sql")
)
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
# Written in pieces, so that this file does not hold what it looks for.
UNFINISHED = re.compile("|".join(("FIX" + "ME", "TO" + "DO", "[#-] *X" + "XX")))


def name(file: Path) -> str:
    return str(file.relative_to(ROOT))


def docstring(file: Path) -> str:
    return ast.get_docstring(ast.parse(file.read_text())) or ""


@pytest.mark.parametrize("file", PYTHON, ids=name)
def test_a_file_opens_with_what_belongs_in_it(file: Path) -> None:
    assert len(docstring(file)) > 20


PACKAGES = [
    *ROOT.glob("lending/__init__.py"),
    *ROOT.glob("lending/*/__init__.py"),
    *ROOT.glob("projections/__init__.py"),
]


@pytest.mark.parametrize("file", PACKAGES, ids=name)
def test_a_package_says_what_belongs_there_and_what_does_not(file: Path) -> None:
    text = " ".join(docstring(file).split())
    assert re.search(r"[Bb]elongs here", text)
    assert re.search(r"(What does not|Does not|does not belong)", text)


def test_every_folder_of_python_is_a_package() -> None:
    folders = {file.parent for file in PYTHON}
    assert [name(folder) for folder in folders if not (folder / "__init__.py").exists()] == []


@pytest.mark.parametrize("file", [*PYTHON, *SQL], ids=name)
def test_no_file_is_too_long_to_be_read_at_once(file: Path) -> None:
    most = CARRIED_ALONE.get(name(file), LINES_MAX)
    assert len(file.read_text().splitlines()) <= most


@pytest.mark.parametrize("file", [*PYTHON, *SQL, *DOCUMENTS], ids=name)
def test_nothing_is_left_unfinished(file: Path) -> None:
    lines = file.read_text().splitlines()
    assert [line for line in lines if UNFINISHED.search(line)] == []
    assert "NotImplementedError" not in file.read_text() or file == Path(__file__)


OUTSIDE = re.compile(
    r"\.(now|utcnow|today|monotonic)$|^time\.|^random\.|^secrets\.|\buuid[14]$|urandom"
)


@pytest.mark.parametrize("file", sorted((ROOT / "lending" / "domain").rglob("*.py")), ids=name)
def test_the_domain_knows_no_binary_fractions_no_clock_and_no_chance(file: Path) -> None:
    tree = ast.parse(file.read_text())
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    called = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    constants = [node for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    assert [node.value for node in constants if isinstance(node.value, float)] == []
    assert "float" not in names
    assert [call for call in called if OUTSIDE.search(call)] == []


@pytest.mark.parametrize("file", [*SQL, *PYTHON], ids=name)
def test_no_event_is_dropped_in_silence(file: Path) -> None:
    """A command's events are written or refused: a conflict on them is never skipped over."""
    if file == Path(__file__):
        return
    for statement in re.split(r";|^-- name:", file.read_text(), flags=re.MULTILINE):
        if re.search(r"insert\s+into\s+(ledger\.)?loan_events", statement, re.IGNORECASE):
            assert not re.search(r"on\s+conflict", statement, re.IGNORECASE)


def test_no_sequence_orders_the_log() -> None:
    text = "\n".join(file.read_text() for file in SQL if file.parent.name == "schema")
    assert not re.search(
        r"\b(big)?serial\b|nextval|generated\s+\w+\s+as\s+identity", text, re.IGNORECASE
    )


LINK = re.compile(r"\[[^\]]*\]\((?P<target>[^)\s]+)\)")


def anchors(file: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", file.read_text(), flags=re.MULTILINE)
    return {
        re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings
    }


@pytest.mark.parametrize("file", DOCUMENTS, ids=name)
def test_links_in_the_documents_lead_somewhere(file: Path) -> None:
    for link in LINK.finditer(file.read_text()):
        target, _, anchor = link["target"].partition("#")
        if re.match(r"[a-z]+:", target):
            continue
        there = (file.parent / target).resolve() if target else file
        assert there.exists(), f"{name(file)}: {link['target']}"
        assert there.is_relative_to(ROOT), f"{name(file)}: {link['target']}"
        if anchor and there.suffix == ".md":
            assert anchor in anchors(there), f"{name(file)}: {link['target']}"


def test_every_command_is_in_the_documents() -> None:
    run = (ROOT / "docs" / "how-to" / "run.md").read_text()
    main = (ROOT / "lending/cli/main.py").read_text()
    found = re.findall(r'app\.command\((?:"([\w-]+)")?[^)]*\)\(\w+\.(\w+)\)', main)
    commands = [name or function for name, function in found]
    assert [command for command in commands if f"`lending {command}" not in run] == []
