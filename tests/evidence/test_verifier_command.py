"""The program that checks evidence, as a command: what it needs, what it prints, how it ends."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from lending import verify_evidence as program
from lending.ledger.checkpoints import read_checkpoint, sign_checkpoint
from tests.evidence.conftest import Kept
from tests.evidence.files import checked, unpacked


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-I", *arguments], capture_output=True, text=True, timeout=60, check=False
    )


def alone(tmp_path: Path) -> str:
    """The program as it is carried away: a copy, where nothing of the package can be found."""
    copy = tmp_path / "verify_evidence.py"
    copy.write_text(Path(program.__file__).read_text())
    return str(copy)


def test_it_runs_with_nothing_but_cryptography(kept: Kept, tmp_path: Path) -> None:
    """Whatever else it imported would be missing where it is carried to."""
    away = tmp_path / "away"
    away.mkdir()
    (away / "e.zip").write_bytes(kept.opened)
    watch = (
        "import sys, runpy; sys.argv = sys.argv[1:]\n"
        "try: runpy.run_path(sys.argv[0], run_name='__main__')\n"
        "except SystemExit as end: code = end.code\n"
        "names = {m.partition('.')[0] for m in sys.modules} - set(sys.stdlib_module_names)\n"
        "print(sorted(n for n in names if not n.startswith('_'))); sys.exit(code)"
    )
    done = run("-c", watch, alone(away), "--vkey", kept.vkey, str(away / "e.zip"))
    assert done.returncode == 0, done.stdout + done.stderr
    (told,) = (line for line in done.stdout.splitlines() if line.startswith("["))
    assert "lending" not in told
    assert "cryptography" in told
    assert "orjson" not in told


def test_the_exit_code_says_what_became_of_all(kept: Kept, tmp_path: Path) -> None:
    good, bad = tmp_path / "good.zip", tmp_path / "bad.zip"
    good.write_bytes(kept.sealed)
    bad.write_bytes(kept.sealed[:-1000])
    program_alone = alone(tmp_path)
    for arguments, code, said in (
        (["--vkey", kept.vkey, str(good)], 0, "1 accepted, 0 refused"),
        ([str(good)], 3, "by its own key only"),
        (["--vkey", kept.vkey, str(good), str(bad)], 1, "1 accepted, 1 refused"),
        (["--vkey", kept.vkey, str(good), str(tmp_path / "none")], 2, "1 not opened"),
        (["--vkey", "nonsense", str(good)], 2, ""),
    ):
        done = run(program_alone, *arguments)
        assert done.returncode == code, done.stdout + done.stderr
        assert said in done.stdout
        assert "Traceback" not in done.stderr


def test_a_directory_of_checkpoints_is_taken_and_a_comparison_not_made_is_no_success(
    kept: Kept, at: Path, tmp_path: Path
) -> None:
    at.write_bytes(kept.sealed)
    published = tmp_path / "published" / "0" / "1"
    published.mkdir(parents=True)
    note = unpacked(kept.sealed)["checkpoint"].decode()
    other = sign_checkpoint(replace(read_checkpoint(note), size=3), kept.seeds)
    (published / "3.checkpoint").write_text(other)
    asked = ["--vkey", kept.vkey, "--checkpoint", str(tmp_path / "published"), str(at)]
    done = run(program.__file__, *asked)
    assert (done.returncode, done.stderr) == (4, "")
    assert "ACCEPTED, by a key you gave; compared with NO checkpoint of yours" in done.stdout
    (published / "9.checkpoint").write_text(note)
    done = run(program.__file__, *asked)
    assert done.returncode == 0
    assert "the checkpoint is one of those you gave" in done.stdout
    (tmp_path / "none").mkdir()
    done = run(program.__file__, "--checkpoint", str(tmp_path / "none"), str(at))
    assert done.returncode == 2
    assert "it holds no checkpoint" in done.stderr


def test_it_lists_what_is_proven(kept: Kept, tmp_path: Path) -> None:
    good = tmp_path / "good.zip"
    good.write_bytes(kept.sealed)
    done = run(alone(tmp_path), "--list", "--vkey", kept.vkey, str(good))
    assert "version 3" in done.stdout
    assert ", decided, by underwriter-1, data sha256 " in done.stdout
    assert '"outcome":"approved"' in done.stdout


def test_it_says_what_was_applied_for_and_decided(kept: Kept, at: Path) -> None:
    asked, decided = checked(at, kept.sealed, kept.vkey).proven
    assert asked.startswith(
        "applied: applicant_id cust_2002, amount 12000.00, term_months 36, USD (position "
    )
    assert decided.startswith(
        "decided: outcome approved, amount 12000.00, term_months 36, reasons none, USD (position "
    )
    assert decided.endswith(", by underwriter-1)")
    at.write_bytes(kept.sealed)
    done = run(program.__file__, "--vkey", kept.vkey, str(at))
    assert f"  proven: {decided}\n" in done.stdout
