"""Principals and keys as an operator looks after them, on a real ledger."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from lending.contract.positions import read_place
from lending.domain.authority import Principal
from lending.domain.suspensions import Reinstate, Subject, Suspend
from lending.ledger.submission import HistoryRewound
from lending.runtime import limits
from lending.runtime.settings import Settings
from lending.service.authentication import (
    Admitted,
    AuthenticationUnavailable,
    Authenticator,
    Unauthenticated,
)
from lending.service.creation import SecretMissing, create_ledger
from lending.service.history import FeedPage
from lending.service.identities import AlreadyRegistered, TooMany, UnknownKey
from lending.service.ledger import Ledger, new_id, system_clock
from lending.service.permissions import ActingNotAllowed
from lending.service.principals import InvalidPrincipal, principal_of, registered_name
from lending.service.registry_writing import Operator
from lending.service.requests import PrincipalSuspended
from tests.identities import AUDIENCE, ISSUER, YEAR, TokenIssuer, issued, office, somebody
from tests.ledgers import opened_ledger

pytestmark = pytest.mark.anyio
HOUR = timedelta(hours=1)


async def admitted(ledger: Ledger, credential: str) -> Admitted:
    """Who the credential admits, once the ledger knows what its database knows."""
    await reread(ledger)
    return await ledger.authenticator.admit(credential)


async def reread(ledger: Ledger) -> None:
    async with ledger.pool.connection() as connection:
        await ledger.watch._read(connection)


async def newest(ledger: Ledger) -> FeedPage:
    head = (await ledger.history.feed(0, 0, 1_000)).events[-1][0].position
    return await ledger.history.feed(0, head - 2, 10)


async def test_a_key_admits_the_principal_it_was_issued_to(
    ledger: Ledger, settings: Settings
) -> None:
    principal = somebody("scorer", "risk", amounts={"USD": "500.00"}, acts_for=("desk-7",))
    key = await issued(settings, principal)
    found = (await admitted(ledger, key.fresh.text)).principal
    assert found.credential == f"key {key.fresh.key_id}"
    assert (found.name, found.roles, found.limits, found.acts_for) == (
        principal.name, principal.roles, principal.limits, principal.acts_for,
    )  # fmt: skip


async def test_who_did_it_and_what_is_on_record_but_never_the_key(
    ledger: Ledger, settings: Settings
) -> None:
    key = await issued(settings, somebody("scorer", "risk"))
    page = await newest(ledger)
    assert [envelope.event_type for envelope, _ in page.events] == [
        "principal_registered", "key_issued",
    ]  # fmt: skip
    for envelope, event in page.events:
        assert (envelope.provenance.actor, envelope.provenance.actor_kind) == ("ops", "human")
        assert key.fresh.text.rpartition("_")[2] not in repr(event)


async def test_a_known_principal_gets_another_key_and_keeps_what_it_may(
    ledger: Ledger, settings: Settings
) -> None:
    one = await issued(settings, somebody("scorer", "risk"))
    two = await issued(settings, somebody("scorer", "risk"))
    with pytest.raises(AlreadyRegistered, match="--change"):
        await issued(settings, somebody("scorer", "admin"))
    three = await issued(settings, somebody("scorer", "admin"), change=True)
    for key in (one, two, three):
        found = (await admitted(ledger, key.fresh.text)).principal
        assert found.roles == somebody("scorer", "admin").roles


async def test_a_principal_has_a_limited_number_of_keys_that_hold(
    ledger: Ledger, settings: Settings
) -> None:
    keys = [
        await issued(settings, somebody("scorer", "risk")) for _ in range(limits.KEYS_OF_ONE_MAX)
    ]
    with pytest.raises(TooMany, match="revoke one first"):
        await issued(settings, somebody("scorer", "risk"))
    await office(settings).revoke(keys[0].fresh.key_id, reason="not needed")
    await issued(settings, somebody("scorer", "risk"))
    assert ledger.failures == {}


async def test_there_is_a_limited_number_of_principals(
    ledger: Ledger, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "PRINCIPALS_MAX", 1)
    await issued(settings, somebody("one"))
    with pytest.raises(TooMany, match="1 principals already"):
        await issued(settings, somebody("two"))
    await issued(settings, somebody("one"))
    assert ledger.failures == {}


async def test_a_rotated_key_ends_after_the_overlap(ledger: Ledger, settings: Settings) -> None:
    old = await issued(settings, somebody("scorer", "risk"))
    new = await office(settings).rotate(old.fresh.key_id, overlap=HOUR, life=YEAR)
    assert new.principal == "scorer"
    for key in (old, new):
        assert (await admitted(ledger, key.fresh.text)).principal.name == "scorer"
    standing = {s.key.key_id: s.key for s in await office(settings).listed()}
    ends = standing[old.fresh.key_id].expires_at
    assert ends is not None
    assert timedelta() < ends - datetime.now(UTC) <= HOUR
    newer = await office(settings).rotate(new.fresh.key_id, overlap=timedelta(), life=None)
    with pytest.raises(Unauthenticated):
        await admitted(ledger, new.fresh.text)
    assert (await admitted(ledger, newer.fresh.text)).principal.name == "scorer"


async def test_a_key_that_ended_is_not_rotated(ledger: Ledger, settings: Settings) -> None:
    key = await issued(settings, somebody())
    assert await office(settings).revoke(key.fresh.key_id, reason="lost")
    for key_id in (key.fresh.key_id, "unknown"):
        with pytest.raises(UnknownKey):
            await office(settings).rotate(key_id, overlap=HOUR, life=YEAR)
    assert ledger.failures == {}


async def test_a_key_is_revoked_once(ledger: Ledger, settings: Settings) -> None:
    key = await issued(settings, somebody())
    admission = await admitted(ledger, key.fresh.text)
    assert admission.holds()
    assert await office(settings).revoke(key.fresh.key_id, reason="lost")
    assert not await office(settings).revoke(key.fresh.key_id, reason="lost again")
    with pytest.raises(UnknownKey):
        await office(settings).revoke("unknown", reason="lost")
    await reread(ledger)
    assert not admission.holds()
    with pytest.raises(Unauthenticated):
        await admitted(ledger, key.fresh.text)


async def test_an_admission_ends_when_the_principal_becomes_another(
    ledger: Ledger, settings: Settings
) -> None:
    key = await issued(settings, somebody("scorer", "risk"))
    admission = await admitted(ledger, key.fresh.text)
    await issued(settings, somebody("scorer", "intake"), change=True)
    await reread(ledger)
    assert not admission.holds()


async def test_what_is_known_too_long_ago_admits_nobody(ledger: Ledger, settings: Settings) -> None:
    key = await issued(settings, somebody())
    admission = await admitted(ledger, key.fresh.text)
    ledger._background._tasks["registry"].cancel()
    ledger.watch._as_of -= limits.REGISTRY_STALE_MAX_SECONDS + 1
    with pytest.raises(AuthenticationUnavailable):
        await ledger.authenticator.admit(key.fresh.text)
    assert not admission.holds()
    assert "older than 5 s" in ledger.failures["registry"]


async def test_a_process_that_lost_its_connections_goes_on_to_learn_of_revocations(
    ledger: Ledger, settings: Settings, database_url: str
) -> None:
    key = await issued(settings, somebody())
    await admitted(ledger, key.fresh.text)
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where datname = current_database() and application_name = 'lending registry'"
        )
    await office(settings).revoke(key.fresh.key_id, reason="lost")
    await refused_within(ledger.authenticator, key.fresh.text, 3)


async def refused_within(authenticator: Authenticator, credential: str, seconds: float) -> None:
    async with asyncio.timeout(seconds):
        while True:
            try:
                await authenticator.admit(credential)
            except Unauthenticated:
                return
            await asyncio.sleep(0.02)


async def test_nothing_is_issued_on_a_log_whose_end_may_be_lost(
    ledger: Ledger, settings: Settings, database_url: str
) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("update ledger.lanes set timeline = timeline + 6")
    with pytest.raises(HistoryRewound, match="lending epoch open"):
        await issued(settings, somebody())
    assert ledger.identity.shards == 1


async def test_a_ledger_of_an_earlier_release_gets_its_pepper(
    settings: Settings, database_url: str
) -> None:
    await create_ledger(database_url, settings, clock=system_clock, new_id=new_id)
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("delete from vault.secrets where name = 'api_key_pepper'")
    with pytest.raises(SecretMissing, match="lending migrate"):
        async with Ledger.open(database_url, settings):
            pass
    await create_ledger(database_url, settings, clock=system_clock, new_id=new_id)
    with psycopg.connect(database_url) as connection:
        first = connection.execute("select wrapped from vault.secrets order by name").fetchall()
    await create_ledger(database_url, settings, clock=system_clock, new_id=new_id)
    with psycopg.connect(database_url) as connection:
        again = connection.execute("select wrapped from vault.secrets order by name").fetchall()
    assert first == again
    assert len(again) == 2


@pytest.mark.parametrize("name", ["", "local", "system", "jwt:x", "a b", "-x", "x" * 129, "\u00e9"])
def test_a_name_that_could_be_taken_for_another_is_refused(name: str) -> None:
    with pytest.raises(InvalidPrincipal):
        registered_name(name)


def test_what_a_principal_is_has_to_be_said_right() -> None:
    good: dict[str, Any] = {
        "kind": "agent",
        "roles": ["risk"],
        "amounts": {"USD": "5"},
        "acts_for": ["x"],
    }
    assert isinstance(principal_of("a", **good), Principal)
    wrongs: list[dict[str, Any]] = [
        {"kind": "robot"}, {"roles": []}, {"roles": ["boss"]}, {"amounts": {"usd": "5"}},
        {"amounts": {"USD": "much"}}, {"amounts": {"JPY": "0.5"}}, {"acts_for": [""]},
    ]  # fmt: skip
    for wrong in wrongs:
        with pytest.raises(InvalidPrincipal):
            principal_of("a", **{**good, **wrong})


async def test_a_reader_of_a_lost_epoch_takes_nothing_from_what_is_known(
    ledger: Ledger, settings: Settings
) -> None:
    await issued(settings, somebody("scorer", "risk"))
    await reread(ledger)
    reader = ledger._registries[0]
    before = reader.known.registry
    reader.forget()
    assert reader.known.registry is before
    assert reader.guard(reader.known.version).expected_version == 0
    assert (await reader.refresh()).registry == before
    with pytest.raises(ValueError, match="position"):
        read_place("0:1@0")


async def test_a_suspended_operator_does_not_reinstate_itself(ledger: Ledger) -> None:
    stop = Suspend(subject=Subject.PRINCIPAL, name="jwt:boss", reason="a drill")
    over = Reinstate(subject=Subject.PRINCIPAL, name="jwt:boss", reason="over")
    boss = Operator(
        principal=replace(somebody("boss", "admin"), name="jwt:boss"), correlation_id="test"
    )
    await ledger.kill_switch.throw(stop, boss)
    with pytest.raises(PrincipalSuspended, match="a drill"):
        await ledger.kill_switch.throw(over, boss)
    for_boss = replace(boss, principal=somebody("other", "admin"), on_behalf_of="jwt:boss")
    with pytest.raises(ActingNotAllowed):
        await ledger.kill_switch.throw(over, for_boss)


async def test_a_token_admits_nobody_while_suspensions_cannot_be_read(
    database_url: str, tmp_path: Path
) -> None:
    issuer = TokenIssuer()
    settings = Settings(
        data_dir=tmp_path,
        database_url=database_url,
        jwt_keys=issuer.write(tmp_path / "keys.json"),
        jwt_issuer=ISSUER,
        jwt_audience=AUDIENCE,
    )
    async with opened_ledger(database_url, tmp_path, settings=settings) as ledger:
        admission = await admitted(ledger, issuer.token())
        assert admission.holds()
        ledger._background._tasks["registry"].cancel()
        ledger.watch._as_of -= limits.REGISTRY_STALE_MAX_SECONDS + 1
        with pytest.raises(AuthenticationUnavailable):
            await ledger.authenticator.admit(issuer.token())
        assert not admission.holds()
