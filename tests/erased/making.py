"""A ledger of the real service, a third of whose applicants were erased by it, and what was seen before.

What belongs here: making it once. It is sealed and published while it grows; its read models follow;
backups, replays, proofs and answers are taken before the erasures. Tests open copies of it.
"""

import base64
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import psycopg

from lending.api.webhook_delivery import deliver_webhooks
from lending.runtime.settings import Settings
from lending.service.backup.programs import environment, find_program, run
from lending.service.backup.taking import back_up
from lending.service.ledger import system_clock
from lending.service.transparency.outlets import FileOutlet
from projections import replay_schemas
from projections.registry import READ_MODELS
from projections.replay import Position, Request, replay
from tests.api.served import Api, served_api
from tests.api.test_backtests import STRICT, backtested
from tests.erased.answers import Answers, all_answers_of
from tests.erased.lives import NEXT, Carried, carry_all, has_co_applicant
from tests.erased.persons import Person
from tests.projections.worlds import MASTER_KEY
from tests.sealed import Sealing, sealing
from tests.service.test_erasure import projecting

APPLICATIONS: Final = 42
LETTERHEAD: Final = {
    "creditor_name": "First Bank", "creditor_address": "1 Main Street",
    "agency_name": "Federal Trade Commission", "agency_address": "Washington, DC 20580",
}  # fmt: skip
PERSONAL: Final = ("income", "purpose", "erased")
"""The columns of read models that an erasure changes."""


def is_gone(number: int) -> bool:
    """Whether a person is of the third that is erased."""
    return number % 3 == 0 and number < APPLICATIONS


def is_touched(number: int) -> bool:
    """Whether the application of a person holds something of who is erased."""
    return is_gone(number) or (has_co_applicant(number) and is_gone(number + NEXT))


@dataclass(frozen=True, slots=True)
class Proven:
    """What somebody outside was given before: the size of the log, and proofs by position."""

    size: int
    vkey: str
    proofs: Mapping[int, str]


Rows = Mapping[str, list[dict[str, Any]]]
"""Every row of every read model, as analysts see it, by read model."""


@dataclass(frozen=True, slots=True)
class Before:
    """What was seen, proven and backed up before anybody was erased: `rows` as they stood at two
    positions, the later one where the log ended.
    """

    answers: Mapping[str, Answers]
    rows: Mapping[int, Rows]
    dump: bytes
    proven: Proven
    backtest: dict[str, Any]
    evidence: Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class History:
    """A database to copy, the directory of the ledger's data, and what there is to know of it."""

    name: str
    directory: Path
    paths: Mapping[int, str]
    before: Before

    @property
    def gone(self) -> list[Person]:
        """Who was erased."""
        return [Person(number) for number in self.paths if is_gone(number)]

    @property
    def kept(self) -> list[Person]:
        """Who was not."""
        return [Person(number) for number in self.paths if not is_gone(number)]

    @property
    def published(self) -> Path:
        """The checkpoints that were published."""
        return self.directory / "published"

    def of(self, persons: Sequence[Person]) -> dict[str, UUID]:
        """The application that each of them opened, by pseudonym."""
        return {one.subject: UUID(self.paths[one.number][-36:]) for one in persons}


def settings_of(database_url: str, directory: Path) -> Settings:
    """Nothing has to be kept for long, notices can be written, webhooks go to this machine."""
    key = base64.b64encode(MASTER_KEY).decode()
    given = {"data_dir": directory, "database_url": database_url, "master_key": key, **LETTERHEAD}
    more = {"checkpoints_path": directory / "published", "webhooks_private_addresses": True}
    kept = {"retention_months": 0, "retention_business_months": 0}
    return Settings.model_validate({**given, **more, **kept})


@asynccontextmanager
async def opened(database_url: str, directory: Path) -> AsyncIterator[tuple[Api, Sealing]]:
    """The ledger, served, and what seals it."""
    settings = settings_of(database_url, directory)
    async with (
        served_api(database_url, directory, settings=settings) as api,
        sealing(api.ledger, settings) as sealed,
    ):
        yield api, sealed


async def make(database_url: str, directory: Path) -> tuple[dict[int, str], Before]:
    """Make the ledger in a migrated database."""
    async with opened(database_url, directory) as (api, sealed):
        await sealed_and_published(sealed)
        await nobody_listens(api)
        carried = await carry_all(api, APPLICATIONS)
        assert (await api.post("/policies", STRICT)).status_code == 201
        async with projecting(api.settings):
            pass
        await sealed_and_published(sealed)
        before = await looked_at(api, sealed, carried, directory)
        async with projecting(api.settings):
            for person in [one.person for one in carried if is_gone(one.person.number)]:
                path = f"/subjects/{person.subject}/erasure"
                answer = await api.post(path, {"reason": "article 17"})
                assert answer.status_code == 200, answer.text
            kept = next(one for one in carried if not is_touched(one.person.number))
            await kept.does("/notes", {"text": kept.person.said("life goes on for")})
        await sealed_and_published(sealed)
    return {one.person.number: one.path for one in carried}, before


async def sealed_and_published(sealed: Sealing) -> None:
    """Seal what there is, and publish it."""
    path = sealed.settings.checkpoints_path
    assert path is not None
    outlet = FileOutlet(path, sealed.ledger_id, 0)
    last = await outlet.last()
    sealed.published = [] if last is None else [last]
    await sealed.seal()
    await sealed.publish(outlet)


async def nobody_listens(api: Api) -> None:
    """A webhook whose receiver is not there: what it was not sent is queued."""
    answer = await api.post("/webhooks", {"url": "http://127.0.0.1:9/"})
    assert answer.status_code == 201, answer.text
    deliver_webhooks(api.ledger, api.settings, api.metrics.webhooks)


async def looked_at(
    api: Api, sealed: Sealing, carried: Sequence[Carried], directory: Path
) -> Before:
    """All that is to be compared."""
    assert api.count("webhooks.deliveries") > 0
    answers = {
        one.path: await all_answers_of(api, one.path, in_full=is_touched(one.person.number))
        for one in carried
    }
    evidence = {one.path: await evidence_of(api, one.path) for one in carried[:9]}
    vault = directory / "old vault"
    await back_up(api.database_url, directory / "old", vault, system_clock())
    backtest = (await backtested(api, "strict"))["result"]
    dump = await dumped(api.database_url, directory / "before.sql")
    given = await proven(api)
    middle = given.size // 2
    rows = {middle: await rows_at(sealed, middle), given.size: rows_of(sealed)}
    return Before(answers, rows, dump, given, backtest, evidence)


async def evidence_of(api: Api, path: str) -> bytes:
    """The evidence of an application, with what is personal."""
    answer = await api.get(f"{path}/evidence?personal=true")
    assert answer.status_code == 200, answer.text
    return answer.content


async def rows_at(sealed: Sealing, position: int) -> Rows:
    """The rows as they stood at a position, by a replay that is dropped again."""
    request = Request(to=Position(0, position), into="past", release="test")
    await replay(sealed.database_url, request, sealed.master, progress=lambda *_: None)
    found = rows_of(sealed, "past")
    async with replay_schemas.opened(sealed.database_url) as connection:
        await replay_schemas.take(connection, "past")
        await replay_schemas.drop(connection, "past")
    return found


def rows_of(sealed: Sealing, schema: str = "read") -> Rows:
    """The rows in a schema, by their keys."""
    return {model.name: _rows(sealed, f"{schema}.{model.name}") for model in READ_MODELS}


def _rows(sealed: Sealing, table: str) -> list[dict[str, Any]]:
    found = sealed.rows(f"select to_jsonb(t) from {table} t")
    return sorted((row for (row,) in found), key=_key)


def _key(row: Mapping[str, Any]) -> str:
    """The row without what an erasure changes."""
    return str({name: row[name] for name in row if name not in PERSONAL})


async def proven(api: Api) -> Proven:
    """A proof of every seventh position of those that are sealed, and of the last one."""
    (key,) = (await api.get("/log/0/keys")).json()["items"]
    size = int((await api.get("/log/0/checkpoint")).text.splitlines()[1])
    positions = [*range(1, size, 7), size]
    proofs = {at: (await api.get(f"/log/0/proof/{at}")).text for at in positions}
    return Proven(size, key["vkey"], proofs)


async def dumped(database_url: str, path: Path) -> bytes:
    """The whole database as SQL, as pg_dump writes it: every schema, the vault among them."""
    with psycopg.connect(database_url) as connection:
        major = connection.info.server_version // 10_000
    await run(find_program("pg_dump", major), [f"--file={path}"], environment(database_url))
    return path.read_bytes()
