"""The log itself: the append lane with its queue always full, beside PostgreSQL's own INSERT.

What belongs here: the same rows by two ways into the same table, and the `eventsourcing` package on
the same server. Nothing of the service but the lane takes part.
"""

import asyncio
import os
import re
import secrets
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Final
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import orjson
import psycopg
import uvloop
from eventsourcing.persistence import StoredEvent
from eventsourcing.postgres import PostgresApplicationRecorder, PostgresDatastore
from psycopg.conninfo import conninfo_to_dict

from lending.domain.application.events import Noted
from lending.ledger.append import AppendLane, LaneSettings
from lending.ledger.canonical import JsonObject, canonical_json, instant_text
from lending.ledger.codec import Codec
from lending.ledger.flush import Look, plan
from lending.ledger.leaf import Provenance
from lending.ledger.sealing import Keyring, MasterKey
from lending.ledger.submission import EncodedEvent, StreamAppend, Submission, Verdict
from lending.runtime import limits
from lending.runtime.embedded.binaries import find_binaries
from lending.runtime.embedded.errors import EmbeddedPostgresError
from lending.runtime.postgres import SERVICE_ROLE, Connection, connect, parameters
from lending.service.ledger import LANE, NoObserver, new_id, system_clock
from tests.bench.figures import Bar, Figure, in_turns, ratio
from tests.bench.machine import Machine, scalar

BESIDE_POSTGRES: Final = Bar(0.2)
COMMANDS: Final = 10_000
"""Commands, and rows, in a round."""
EVENTSOURCING_EVENTS: Final = 400
_ROWS: Final = limits.APPEND_BATCH_MAX_COMMANDS
"""Rows in a statement: as many as the lane writes at once."""
_STREAM_EVENTS: Final = 10
_ISSUERS: Final = 3 * limits.APPEND_BATCH_MAX_COMMANDS
_THREADS: Final = 8
_ZONE: Final = ZoneInfo("UTC")


@dataclass(frozen=True, slots=True)
class _Log:
    """A ledger's log, as its lane needs it."""

    database_url: str
    ledger_id: UUID
    directory: Path

    async def connect(self) -> Connection:
        """A lane's connection."""
        return await connect(
            self.database_url, SERVICE_ROLE, "lending lane", session=LANE, prepare_threshold=0
        )


def measure(machine: Machine) -> list[Figure]:
    """The figures of the log itself."""
    with machine.database() as database, machine.databases.temporary("bench") as other:
        ledger_id = scalar(database, "select ledger_id from ledger.identity")
        log = _Log(database, ledger_id, machine.directory)
        with _eventsourcing(other) as recorder:
            taken = in_turns(
                {
                    "lane": lambda _: _appended(log),
                    "selected": lambda _: _inserted(log, _selected),
                    "written out": lambda _: _inserted(log, _written_out),
                    "eventsourcing": lambda _: _recorded(recorder),
                }
            )
    per_second = {name: median(rates) for name, rates in taken.items()}
    rows = f"{_ROWS:,} rows a statement"
    return [
        Figure(
            what=f"the log itself, queue always full, to pgbench: INSERT ... SELECT, {rows}",
            value=ratio(taken["lane"], taken["selected"]),
            bar=BESIDE_POSTGRES,
            beside=f"{per_second['lane']:,.0f} commands/s to {per_second['selected']:,.0f} rows/s",
        ),
        Figure(
            what=f"the log itself, to pgbench: INSERT ... VALUES, {rows}",
            value=ratio(taken["lane"], taken["written out"]),
            bar=BESIDE_POSTGRES,
            beside=f"{per_second['lane']:,.0f} commands/s to"
            f" {per_second['written out']:,.0f} rows/s",
        ),
        Figure(
            what=f"the log itself, to the `eventsourcing` package's recorder, {_THREADS} threads",
            value=ratio(taken["lane"], taken["eventsourcing"]),
            beside=f"{per_second['lane']:,.0f} commands/s to {per_second['eventsourcing']:,.0f}",
        ),
    ]


# -- what is appended -----------------------------------------------------------------------------


def submissions(count: int) -> list[Submission]:
    """Keyed commands of one event each, on streams that grow by one event after the other."""
    codec, master = Codec(), MasterKey(bytes(32), secrets.token_bytes)
    found: list[Submission] = []
    while len(found) < count:
        stream = new_id(0)
        keyring, new_keys = Keyring(stream, secrets.token_bytes).grow(["cust_2002"], master)
        for version in range(_STREAM_EVENTS):
            note = Noted(text="called the applicant about the income", topic="intake")
            data = canonical_json(codec.encode(note, keyring, "cust_2002"))
            appended = StreamAppend(
                application_id=stream,
                expected_version=version,
                events=[EncodedEvent(note.stored_as, note.schema_version, data)],
                new_keys=[] if version else new_keys,
            )
            found.append(_submission(appended))
    return found[:count]


def _submission(stream: StreamAppend) -> Submission:
    key = secrets.token_hex(16)
    return Submission(
        principal="local",
        target=stream.application_id,
        key=key,
        fingerprint=secrets.token_bytes(32),
        command="add_note",
        verdict=Verdict.ACCEPTED,
        streams=[stream],
        provenance=Provenance(
            actor="local",
            actor_kind="system",
            on_behalf_of="intake-agent-7",
            agent_build="intake 2026.10 / model 4",
            command_id=new_id(0),
            command_key_hash=secrets.token_bytes(32),
            correlation_id=secrets.token_hex(16),
        ),
    )


# -- by the lane ----------------------------------------------------------------------------------


def _appended(log: _Log) -> float:
    """Commands a second through a lane."""
    prepared = submissions(COMMANDS)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_through_a_lane(log, prepared))


async def _through_a_lane(log: _Log, prepared: Sequence[Submission]) -> float:
    lane = AppendLane(
        LaneSettings(shard=0, ledger_id=log.ledger_id, zone=_ZONE),
        connect=log.connect,
        clock=system_clock,
        observer=NoObserver(),
        on_commit=lambda _shard, _position: None,
        on_reset=lambda: None,
    )
    running = asyncio.create_task(lane.run())
    await lane.submit(submissions(1)[0])  # the first one connects
    left = iter(prepared)
    began = time.perf_counter()
    await asyncio.gather(*(_issue(lane, left) for _ in range(_ISSUERS)))
    seconds = time.perf_counter() - began
    lane.close()
    await running
    return len(prepared) / seconds


async def _issue(lane: AppendLane, left: Iterator[Submission]) -> None:
    for submission in left:
        await lane.submit(submission)


# -- by PostgreSQL itself -------------------------------------------------------------------------


def _inserted(log: _Log, statements: Callable[[_Log, list[JsonObject]], Iterator[str]]) -> float:
    """Rows a second by pgbench, each statement a transaction."""
    script = log.directory / "insert.sql"
    script.write_text(";\n".join(statements(log, _rows(log))))
    given = parameters(log.database_url, SERVICE_ROLE, "pgbench", LANE)
    shape = ["--no-vacuum", "--client=1", "--transactions=1", "--protocol=simple"]
    done = subprocess.run(
        [pgbench(), *shape, f"--file={script}", log.database_url],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "PGOPTIONS": given["options"]},
    )
    found = re.search(r"latency average = ([0-9.]+) ms", done.stdout)
    assert found is not None, done.stdout
    return COMMANDS / (float(found[1]) / 1000)


def _selected(log: _Log, rows: list[JsonObject]) -> Iterator[str]:
    """Statements that insert rows the server has already, in a table of their own."""
    columns = ", ".join(rows[0])
    with psycopg.connect(log.database_url, autocommit=True) as connection:
        connection.execute("drop table if exists public.staged")
        connection.execute("create unlogged table public.staged (like ledger.loan_events)")
        for statement in _written_out(log, rows, "public.staged"):
            connection.execute(statement.encode())
        connection.execute("create index on public.staged (position)")
        connection.execute("analyze public.staged")
        connection.execute("grant select on public.staged to public")
    first = int(str(rows[0]["position"]))
    for begin in range(first, first + len(rows), _ROWS):
        yield (
            f"insert into ledger.loan_events ({columns}) select {columns} from public.staged"
            f" where position >= {begin} and position < {begin + _ROWS} order by position"
        )


def _written_out(
    _: _Log, rows: list[JsonObject], table: str = "ledger.loan_events"
) -> Iterator[str]:
    """Statements that have the rows in them."""
    columns = ", ".join(rows[0])
    for first in range(0, len(rows), _ROWS):
        values = ", ".join(_values(row) for row in rows[first : first + _ROWS])
        yield f"insert into {table} ({columns}) values {values}"


def pgbench() -> str:
    """The program; it comes with the embedded PostgreSQL."""
    try:
        found: str | None = str(Path(find_binaries().postgres).with_name("pgbench"))
    except EmbeddedPostgresError:
        found = shutil.which("pgbench")
    assert found is not None, "pgbench is not installed"
    return found


def _rows(log: _Log) -> list[JsonObject]:
    """Rows as the lane would write them next."""
    with psycopg.connect(log.database_url) as connection:
        head = connection.execute(
            "select position, recorded_at from ledger.loan_events order by position desc limit 1"
        ).fetchone()
    position, recorded_at = head or (0, None)
    batch = submissions(COMMANDS)
    look = Look(
        shard=0,
        epoch=1,
        head_position=position,
        head_recorded_at=recorded_at,
        now=system_clock(),
        versions={one.streams[0].application_id: 0 for one in batch},
        used_keys={},
    )
    planned = plan(batch, look, log.ledger_id, _ZONE)
    return [
        {
            **row,
            "shard": 0,
            "epoch": 1,
            "recorded_at": instant_text(planned.recorded_at),
            "effective_at": instant_text(planned.recorded_at),
        }
        for name, given in planned.statements()
        if name == "insert_events"
        for row in orjson.loads(str(given["rows"]))
    ]


def _values(row: JsonObject) -> str:
    return f"({', '.join(_literal(name, value) for name, value in row.items())})"


def _literal(name: str, value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, int):
        return str(value)
    if name in ("leaf_hash", "command_key_hash"):
        return f"'\\x{value}'"
    if isinstance(value, dict):
        value = orjson.dumps(value).decode()
    return "'" + str(value).replace("'", "''") + "'"


# -- by the eventsourcing package -----------------------------------------------------------------


class _Recorder:
    """Its PostgreSQL recorder, as it comes: each command is a transaction under a table lock."""

    def __init__(self, database_url: str) -> None:
        given = conninfo_to_dict(database_url)
        names = ("dbname", "host", "port", "user", "password")
        dbname, host, port, user, password = (str(given.get(name) or "") for name in names)
        self.datastore = PostgresDatastore(dbname, host, port, user, password, pool_size=_THREADS)
        self.recorder = PostgresApplicationRecorder(self.datastore)
        self.recorder.create_table()

    def __enter__(self) -> PostgresApplicationRecorder:
        return self.recorder

    def __exit__(self, *_: object) -> None:
        self.datastore.close()


def _eventsourcing(database_url: str) -> _Recorder:
    return _Recorder(database_url)


def _recorded(recorder: PostgresApplicationRecorder) -> float:
    """Commands a second, of one event each, from several threads."""
    events = [
        StoredEvent(originator_id=uuid4(), originator_version=1, topic="noted", state=bytes(200))
        for _ in range(EVENTSOURCING_EVENTS)
    ]
    began = time.perf_counter()
    with ThreadPoolExecutor(_THREADS) as threads:
        list(threads.map(lambda event: recorder.insert_events([event]), events))
    return EVENTSOURCING_EVENTS / (time.perf_counter() - began)
