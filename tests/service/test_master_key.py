"""The master key: wrapped by a key service, replaced while the ledger is at work, and never guessed."""

import asyncio
import os
import sys
from base64 import b64decode, b64encode
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import errors

from lending.domain.application.commands import AddNote, Apply
from lending.ledger.sealing import MasterKey, SealBroken
from lending.runtime.key_service import KeyCommand, KeyServiceFailed
from lending.runtime.postgres import ERASER_ROLE
from lending.runtime.settings import Settings
from lending.service.creation import NoMasterKey, WrongMasterKey, load_master_key, new_master_key
from lending.service.rewrapping import OpensWithNeither, Rewrapped, rewrap
from lending.service.transparency.sealer import Step
from tests.ledgers import Issuer, libpq, opened_ledger
from tests.sealed import sealing

pytestmark = pytest.mark.anyio

SERVICE = """
import base64, sys
given = base64.b64decode(sys.stdin.read())
assert sys.argv[-1] in ("wrap", "unwrap")
turned = bytes(byte ^ 0x5A for byte in given)
print(base64.b64encode(turned[::-1] if {reversing} else turned).decode())
"""


def command(directory: Path, program: str = SERVICE.format(reversing=True)) -> str:
    path = directory / "kms.py"
    path.write_text(program)
    return f"{sys.executable} {path}"


async def test_a_ledger_whose_master_key_a_program_keeps(database_url: str, tmp_path: Path) -> None:
    settings = Settings(
        data_dir=tmp_path, database_url=database_url, master_key_command=command(tmp_path)
    )
    async with opened_ledger(database_url, tmp_path, settings=settings) as ledger:
        answer = await Issuer(ledger)(Apply(applicant_id="s", amount=Decimal(1), purpose="p"))
        assert answer.application_id is not None
        assert (await ledger.history.now(answer.application_id)).state.purpose == "p"
    stored = b64decode((tmp_path / "master.key").read_text())
    key = load_master_key(settings, create=False)
    assert stored == bytes(byte ^ 0x5A for byte in key)[::-1]
    assert oct((tmp_path / "master.key").stat().st_mode & 0o777) == "0o600"
    without = Settings(data_dir=tmp_path, database_url=database_url)
    with pytest.raises(WrongMasterKey):
        async with opened_ledger(database_url, tmp_path, settings=without):
            pass


@pytest.mark.parametrize(
    ("program", "why"),
    [
        ("import time; time.sleep(60)", "takes longer than"),
        ("raise SystemExit(3)", "ends with 3"),
        ("print('not base64!')", "answers no base64"),
        ("", "answers no base64"),
        ("print('QUFB' * 100_000)", "answers no base64 of up to"),
    ],
)
def test_a_program_that_fails_is_named_and_what_it_said_is_not(
    tmp_path: Path, program: str, why: str
) -> None:
    service = KeyCommand(command(tmp_path, program), timeout_seconds=1)
    with pytest.raises(KeyServiceFailed, match=why) as fault:
        service.unwrap(b"w")
    assert "QUFB" not in str(fault.value)


@pytest.mark.parametrize("absent", ["", "/nowhere/kms"])
def test_a_program_that_is_not_there_is_one_sentence(absent: str) -> None:
    with pytest.raises(KeyServiceFailed, match="cannot be run"):
        KeyCommand(absent).wrap(b"k" * 32)


def test_what_a_program_unwraps_has_to_be_a_key(tmp_path: Path) -> None:
    (tmp_path / "master.key").write_text(b64encode(b"short").decode())
    settings = Settings(data_dir=tmp_path, master_key_command=command(tmp_path))
    with pytest.raises(WrongMasterKey, match="LENDING_MASTER_KEY_COMMAND"):
        load_master_key(settings, create=False)
    nowhere = Settings(data_dir=tmp_path, master_key_previous_file=tmp_path / "nowhere")
    with pytest.raises((NoMasterKey, WrongMasterKey)):
        load_master_key(nowhere, create=False)


def test_a_key_before_opens_and_never_wraps() -> None:
    old, new = b"o" * 32, b"n" * 32
    before = MasterKey(old, os.urandom).wrap(b"secret", b"purpose")
    both = MasterKey(new + old, os.urandom)
    assert both.unwrap(before, b"purpose") == b"secret"
    anew = both.wrapped_anew(before, b"purpose")
    assert anew is not None
    assert MasterKey(new, os.urandom).unwrap(anew, b"purpose") == b"secret"
    assert both.wrapped_anew(anew, b"purpose") is None
    with pytest.raises(SealBroken):
        both.unwrap(before, b"another purpose")
    with pytest.raises(ValueError, match="32 bytes"):
        MasterKey(new + b"x", os.urandom)


def nobody(_: Rewrapped) -> None:
    """Progress is told to nobody."""


async def test_the_master_key_is_replaced_while_the_ledger_is_at_work(
    database_url: str, tmp_path: Path
) -> None:
    first = Settings(data_dir=tmp_path, database_url=database_url)
    async with opened_ledger(database_url, tmp_path, settings=first) as ledger:
        issue = Issuer(ledger)
        applications = [
            (
                await issue(
                    Apply(applicant_id=f"s{n}", amount=Decimal(1), purpose=f"p{n}"), key=f"{n}"
                )
            ).application_id
            for n in range(5)
        ]
        async with sealing(ledger, first):
            pass  # it has its signing key then
    new_master_key(first, tmp_path / "new.key")
    with pytest.raises(FileExistsError):
        new_master_key(first, tmp_path / "new.key")
    alone = Settings(
        data_dir=tmp_path, database_url=database_url, master_key_file=tmp_path / "new.key"
    )
    both = alone.model_copy(update={"master_key_previous_file": tmp_path / "master.key"})
    with pytest.raises(WrongMasterKey):
        async with opened_ledger(database_url, tmp_path, settings=alone):
            pass
    master = MasterKey(load_master_key(both, create=False), os.urandom)
    async with opened_ledger(database_url, tmp_path, settings=both) as ledger:
        issue = Issuer(ledger)
        one = (
            await issue(Apply(applicant_id="s9", amount=Decimal(1), purpose="p9"))
        ).application_id
        assert one is not None
        with pytest.raises(OpensWithNeither, match="LENDING_MASTER_KEY_PREVIOUS"):
            await rewrap(database_url, MasterKey(b"x" * 32, os.urandom), nobody)
        done = await rewrap(database_url, master, nobody)
        # two secrets of the ledger, the signing key, six persons
        assert done == Rewrapped(keys=9, wrapped_anew=8)
        assert await rewrap(database_url, master, nobody) == Rewrapped(keys=9, wrapped_anew=0)
        answer = await issue(AddNote(text="n"), one)
        assert answer.refused is None
    async with (
        opened_ledger(database_url, tmp_path, settings=alone) as ledger,
        sealing(ledger, alone, events=3) as sealed,
    ):
        assert await sealed.seal() is Step.IDLE
        for number, application_id in enumerate(applications):
            assert application_id is not None
            state = (await ledger.history.now(application_id)).state
            assert state.purpose == f"p{number}"
        again = await Issuer(ledger)(
            Apply(applicant_id="s0", amount=Decimal(1), purpose="p0"), key="0"
        )
        assert again.replayed


async def test_who_may_destroy_keys_may_not_replace_them(database_url: str, tmp_path: Path) -> None:
    async with opened_ledger(database_url, tmp_path) as ledger:
        await Issuer(ledger)(Apply(applicant_id="s", amount=Decimal(1), purpose="p"))
    with (
        psycopg.connect(libpq(database_url, ERASER_ROLE), autocommit=True) as connection,
        pytest.raises(errors.RestrictViolation, match="by the owner only"),
    ):
        connection.execute("update vault.subject_keys set wrapped_key = 'x'")


async def test_it_is_done_from_a_shell(database_url: str, tmp_path: Path) -> None:
    async with opened_ledger(database_url, tmp_path):
        pass
    environment = {**os.environ, "DATABASE_URL": database_url, "LENDING_DATA_DIR": str(tmp_path)}

    async def lending(*arguments: str) -> tuple[int | None, str]:
        process: Any = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "lending", "keys", *arguments, env=environment,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        async with asyncio.timeout(60):
            out, err = await process.communicate()
        return process.returncode, (out + err).decode()

    made = tmp_path / "new.key"
    assert (await lending("new-master-key", str(made)))[0] == 0
    code, told = await lending("new-master-key", str(made))
    assert (code, "cannot be made: File exists" in told) == (1, True)
    environment["LENDING_MASTER_KEY_FILE"] = str(made)
    assert (await lending("rewrap"))[0] == 1
    environment["LENDING_MASTER_KEY_PREVIOUS_FILE"] = str(tmp_path / "master.key")
    code, told = await lending("rewrap")
    assert (code, "2 keys, of which 2 were wrapped anew" in told) == (0, True), told
