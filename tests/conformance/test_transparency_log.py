"""Checkpoints, tiles and proofs are accepted by an implementation that is not ours: `aics-tlog` of PyPI.

It needs a newer Python than the ledger and has an environment of its own; LENDING_TLOG_PYTHON names
the Python of it. Without it these tests are skipped.
"""

import asyncio
import json
import os
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from lending.ledger.checkpoints import read_checkpoint
from lending.ledger.notes import encoded, parse_vkey
from lending.ledger.proofs import parse_proof
from tests.api.served import Api, served_api
from tests.sealed import sealing

PYTHON = os.environ.get("LENDING_TLOG_PYTHON")
pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(PYTHON is None, reason="LENDING_TLOG_PYTHON names no Python with aics-tlog"),
]


@pytest.fixture
async def log(database_url: str, tmp_path: Path) -> AsyncIterator[Api]:
    """A served ledger of 70,003 events, sealed twice: a tree of three levels of tiles."""
    async with (
        served_api(database_url, tmp_path) as api,
        sealing(api.ledger, api.settings) as found,
    ):
        for _ in range(100):
            await found.append(700)
        await found.seal()
        (tmp_path / "old").write_text((await api.get("/log/0/checkpoint")).text)
        await found.append(7)
        await found.seal()
        yield api


async def key(log: Api, directory: Path) -> str:
    vkey = (await log.get("/log/0/keys")).json()["items"][0]["vkey"]
    path = directory / "vkey"
    path.write_text(vkey + "\n")
    return str(path)


async def asked(*arguments: str) -> dict[str, Any]:
    """What the other implementation says; it runs beside the service, which it asks."""
    assert PYTHON is not None
    command = [PYTHON, "-m", "aics_tlog", *arguments]
    done = await asyncio.to_thread(
        subprocess.run, command, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    said: dict[str, Any] = json.loads(done.stdout)
    return said


async def test_a_checkpoint_is_accepted(log: Api, tmp_path: Path) -> None:
    vkey, tiles = await key(log, tmp_path), f"http://127.0.0.1:{log.port}/log/0/"
    origin = parse_vkey(Path(vkey).read_text()).name
    said = await asked(
        "verify-checkpoint", "--vkey-file", vkey, "--tiles", tiles, "--origin", origin
    )
    assert said["ok"] is True


@pytest.mark.parametrize("position", [1, 256, 257, 65_536, 65_537, 70_010])
async def test_an_event_is_found_in_the_tiles_and_its_own_proof_holds(
    log: Api, tmp_path: Path, position: int
) -> None:
    vkey, tiles = await key(log, tmp_path), f"http://127.0.0.1:{log.port}/log/0/"
    entry = tmp_path / "entry"
    said = await asked(
        "verify-inclusion", "--vkey-file", vkey, "--tiles", tiles, "--index", str(position - 1),
        "--entry-out", str(entry),
    )  # fmt: skip
    assert said["ok"] is True
    proof = parse_proof((await log.get(f"/log/0/proof/{position}")).text)
    checkpoint = read_checkpoint(proof.note)
    hashes = tmp_path / "proof"
    hashes.write_text("".join(f"{encoded(one)}\n" for one in proof.hashes))
    said = await asked(
        "verify-inclusion", "--leaf", str(entry), "--index", str(proof.index),
        "--size", str(checkpoint.size), "--root", encoded(checkpoint.root), "--proof", str(hashes),
    )  # fmt: skip
    assert said["ok"] is True


async def test_the_log_is_found_to_have_only_grown(log: Api, tmp_path: Path) -> None:
    vkey, tiles = await key(log, tmp_path), f"http://127.0.0.1:{log.port}/log/0/"
    old = str(tmp_path / "old")
    said = await asked(
        "verify-consistency", "--vkey-file", vkey, "--tiles", tiles, "--old-checkpoint", old
    )
    assert said["ok"] is True
    body = (await log.get("/log/0/consistency?first=300&second=70003")).json()
    proof = tmp_path / "proof"
    proof.write_text("".join(f"{one}\n" for one in body["hashes"]))
    said = await asked(
        "verify-consistency", "--old-size", "300", "--new-size", "70003",
        "--old-root", body["first"]["root"], "--new-root", body["second"]["root"],
        "--proof", str(proof),
    )  # fmt: skip
    assert said["ok"] is True
