"""Products: on record once for each version, and never another under its name."""

import asyncio
from dataclasses import replace
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import psycopg
import pytest

from lending.domain.authority import LOCAL
from lending.domain.calendar import BusinessDayRule
from lending.domain.identifiers import registry_id
from lending.domain.loan import terms as t
from lending.domain.loan.terms import MAX_BUCKETS, MAX_RATE_STEPS, PaymentKind, PaymentRule, Terms
from lending.domain.product_faults import ProductFault
from lending.domain.products import (
    Product,
    ProductPublished,
    ProductWithdrawn,
    WithdrawProduct,
)
from lending.domain.suspensions import Subject, Suspend
from lending.ledger.canonical import canonical_json
from lending.ledger.codec import Codec, NoKeyring
from lending.runtime import limits
from lending.service.calendars import UnknownCalendar
from lending.service.ledger import Ledger
from lending.service.products import (
    ProductFaulty,
    TooManyProducts,
    UnknownProduct,
    VersionTaken,
    digest_of,
)
from lending.service.registry_writing import Act, Operator
from lending.service.requests import PrincipalSuspended
from tests.identities import somebody
from tests.ledgers import opened_ledger

pytestmark = pytest.mark.anyio
TERMS: Final = Terms(currency="USD", rate_percent=Decimal("9.9"), instalments=36)
PRODUCT: Final = Product(name="personal", version="1", terms=TERMS, amount_max=Decimal(50_000))
BY: Final = Operator(principal=LOCAL, correlation_id="test")


def rows(database_url: str, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(database_url) as connection:
        return connection.execute(query).fetchall()


def withdrawing(version: str, reason: str = "replaced") -> WithdrawProduct:
    return WithdrawProduct(name="personal", version=version, reason=reason)


async def test_a_version_is_published_once_and_repeated_blindly(ledger: Ledger) -> None:
    first = await ledger.products.publish(PRODUCT, BY)
    again = await ledger.products.publish(PRODUCT, BY)
    assert (first.changed, again.changed) == (True, False)
    assert first.on_record == again.on_record == await ledger.products.current("personal")
    same = replace(PRODUCT, terms=replace(TERMS, rate_percent=Decimal("9.900")))
    written_otherwise = await ledger.products.publish(same, BY)
    assert written_otherwise == again


async def test_what_is_stored_has_its_digest_and_who_did_it(
    ledger: Ledger, database_url: str
) -> None:
    by = Operator(principal=somebody("ada", "admin"), correlation_id="launch")
    done = await ledger.products.publish(PRODUCT, by)
    found = rows(
        database_url,
        "select event_type, data, actor, correlation_id, position from ledger.loan_events"
        " where event_type like 'product%'",
    )
    ((kind, data, actor, correlation, position),) = found
    assert (kind, actor, correlation) == ("product_published", "ada", "launch")
    assert position == done.on_record.registry_position
    assert data["product"]["amount_max"] == "50000.00"
    stored = sha256(canonical_json(data["product"])).hexdigest()
    assert stored == data["digest"] == done.on_record.digest


def test_the_digest_is_of_what_the_codec_writes() -> None:
    event = ProductPublished(product=PRODUCT, digest="")
    data = Codec().encode(event, NoKeyring(), "")
    assert digest_of(PRODUCT) == sha256(canonical_json(data["product"])).hexdigest()


async def test_another_product_under_a_version_that_is_taken_is_refused(ledger: Ledger) -> None:
    await ledger.products.publish(PRODUCT, BY)
    with pytest.raises(VersionTaken, match="personal 1"):
        await ledger.products.publish(replace(PRODUCT, amount_max=None), BY)


async def test_the_newest_version_is_current_until_it_is_withdrawn(ledger: Ledger) -> None:
    await ledger.products.publish(PRODUCT, BY)
    await ledger.products.publish(replace(PRODUCT, version="2"), BY)
    assert (await ledger.products.current("personal")).product.version == "2"
    first = await ledger.products.withdraw(withdrawing("2"), BY)
    again = await ledger.products.withdraw(withdrawing("2", "another reason"), BY)
    assert (first.changed, again.changed) == (True, False)
    assert (await ledger.products.current("personal")).product.version == "1"
    assert (await ledger.products.version("personal", "2")).withdrawn
    await ledger.products.withdraw(withdrawing("1"), BY)
    with pytest.raises(UnknownProduct):
        await ledger.products.current("personal")


async def test_a_version_that_was_withdrawn_is_not_revived_by_publishing_it_again(
    ledger: Ledger,
) -> None:
    await ledger.products.publish(PRODUCT, BY)
    await ledger.products.withdraw(withdrawing("1"), BY)
    again = await ledger.products.publish(PRODUCT, BY)
    assert (again.changed, again.on_record.withdrawn) == (False, True)


async def test_what_is_not_on_record_cannot_be_withdrawn(ledger: Ledger) -> None:
    with pytest.raises(UnknownProduct, match="version 9 of a product personal"):
        await ledger.products.withdraw(withdrawing("9"), BY)


async def test_a_product_that_cannot_be_meant_is_refused_with_all_its_faults(
    ledger: Ledger,
) -> None:
    wrong = replace(PRODUCT, amount_min=Decimal(60_000), terms=replace(TERMS, currency="XXX"))
    with pytest.raises(ProductFaulty) as refused:
        await ledger.products.publish(wrong, BY)
    assert refused.value.faults == (ProductFault.UNKNOWN_CURRENCY, ProductFault.BOUNDS_REVERSED)


async def test_its_holidays_calendar_exists(ledger: Ledger) -> None:
    moving = replace(TERMS, business_day_rule=BusinessDayRule.FOLLOWING, holidays="atlantis")
    with pytest.raises(UnknownCalendar, match="atlantis"):
        await ledger.products.publish(replace(PRODUCT, terms=moving), BY)
    known = replace(PRODUCT, terms=replace(moving, holidays="us-ny"))
    assert (await ledger.products.publish(known, BY)).changed


async def test_there_is_a_limit_on_versions(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "PRODUCT_VERSIONS_MAX", 2)
    for version in ("1", "2"):
        await ledger.products.publish(replace(PRODUCT, version=version), BY)
    with pytest.raises(TooManyProducts, match="at most 2"):
        await ledger.products.publish(replace(PRODUCT, version="3"), BY)
    await ledger.products.withdraw(withdrawing("1"), BY)
    with pytest.raises(TooManyProducts):
        await ledger.products.publish(replace(PRODUCT, version="3"), BY)
    assert not (await ledger.products.publish(PRODUCT, BY)).changed


async def test_who_is_suspended_publishes_nothing(ledger: Ledger) -> None:
    stop = Suspend(subject=Subject.PRINCIPAL, name="jwt:ada", reason="a drill")
    await ledger.kill_switch.throw(stop, BY)
    ada = replace(somebody("ada", "admin"), name="jwt:ada")
    with pytest.raises(PrincipalSuspended, match="a drill"):
        await ledger.products.publish(PRODUCT, Operator(principal=ada, correlation_id="test"))


async def test_of_two_processes_that_publish_at_once_one_does(
    database_url: str, tmp_path: Path
) -> None:
    other = replace(PRODUCT, amount_max=None)
    async with (
        opened_ledger(database_url, tmp_path) as here,
        opened_ledger(database_url, tmp_path) as there,
    ):
        found = await asyncio.gather(
            *(one.products.publish(PRODUCT, BY) for one in (here, there)),
            here.products.publish(replace(PRODUCT, version="2"), BY),
            there.products.publish(replace(other, version="2"), BY),
            return_exceptions=True,
        )
        same, taken = found[:2], found[2:]
        assert sorted(one.changed for one in same if isinstance(one, Act)) == [
            False, True,
        ]  # fmt: skip
        assert [type(one) for one in taken].count(VersionTaken) == 1
    assert rows(
        database_url,
        "select count(*) from ledger.loan_events where event_type = 'product_published'"
        f" and application_id = '{registry_id(0)}'",
    ) == [(2,)]


async def test_another_process_finds_what_was_published(database_url: str, tmp_path: Path) -> None:
    async with opened_ledger(database_url, tmp_path) as here:
        done = await here.products.publish(PRODUCT, BY)
        await here.products.withdraw(withdrawing("1"), BY)
    async with opened_ledger(database_url, tmp_path) as there:
        found = await there.products.version("personal", "1")
        assert found == replace(done.on_record, withdrawn=True)


def test_the_largest_product_fits_into_an_event() -> None:
    terms = replace(
        TERMS,
        rate_steps=tuple(
            t.RateStep(from_instalment=600, rate_percent=Decimal("-9999.999999"))
            for _ in range(MAX_RATE_STEPS)
        ),
        payment_rules=tuple(PaymentRule(kind=kind) for kind in (*PaymentKind, PaymentKind.PAYOFF)),
        delinquency_buckets=tuple(
            t.DelinquencyBucket(name="b" * 64, from_days=3660, to_days=3660)
            for _ in range(MAX_BUCKETS)
        ),
    )
    product = replace(PRODUCT, name="n" * 64, version="v" * 64, terms=terms)
    data = Codec().encode(ProductPublished(product=product, digest="d" * 64), NoKeyring(), "")
    few_more_fields = 4 * 1024
    assert len(canonical_json(data)) < limits.EVENT_DATA_MAX_BYTES - few_more_fields
    withdrawn = ProductWithdrawn(name="n" * 64, version="v" * 64, reason="\U0001f697" * 500)
    data = Codec().encode(withdrawn, NoKeyring(), "")
    assert len(canonical_json(data)) < limits.EVENT_DATA_MAX_BYTES
