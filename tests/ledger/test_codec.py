"""The codec: what is written is read again, and what was not written so is a fault."""

import json
from dataclasses import fields, replace
from datetime import date
from decimal import Decimal
from os import urandom
from typing import Any, Final, get_type_hints

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lending.domain.application import commands as c
from lending.domain.application import events as e
from lending.domain.fields import ERASED, Personal
from lending.domain.identifiers import uuid7
from lending.domain.policies import PolicyActivated
from lending.domain.registry import REGISTRY_EVENTS
from lending.ledger.canonical import JsonObject, JsonValue, NotCanonical, canonical_json, parse_json
from lending.ledger.codec import (
    Codec,
    MalformedEvent,
    NoKeyring,
    StoredEvent,
    UnknownEvent,
    persons,
)
from lending.ledger.sealing import Keyring, MasterKey, SealBroken, WrappedKey
from lending.ledger.upcasters import UPCASTERS
from tests.ledger.event_strategies import instances
from tests.ledger.sample_events import APPLICANT, OLDER, SAMPLES, path_of
from tests.ledger.sample_events import keyring as sample_keyring

CODEC = Codec()
APPLICATION_ID = uuid7(0, 1_772_442_000_000, 1)
MASTER = MasterKey(bytes(32), urandom)
KINDS = e.EVENTS + REGISTRY_EVENTS


def keyring_for(event: StoredEvent) -> tuple[Keyring, list[WrappedKey]]:
    people = list(dict.fromkeys(persons(event, APPLICANT)))
    return Keyring(APPLICATION_ID, urandom).grow(people, MASTER)


def stored(event: StoredEvent, keyring: Keyring) -> bytes:
    return canonical_json(CODEC.encode(event, keyring, APPLICANT))


def read(event: StoredEvent, data: JsonValue, keyring: Keyring) -> StoredEvent:
    return CODEC.decode(event.stored_as, event.schema_version, data, keyring)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.stored_as)
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_every_event_is_read_as_it_was_written(
    kind: type[StoredEvent], data: st.DataObject
) -> None:
    event = data.draw(instances(kind))
    keyring, _ = keyring_for(event)
    encoded = stored(event, keyring)
    value = json.loads(encoded)
    assert (
        json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()
        == encoded
    )
    assert read(event, value, keyring) == event


@pytest.mark.parametrize("event", SAMPLES, ids=lambda event: event.stored_as)
class TestSamples:
    def test_what_was_stored_once_is_read_for_ever(self, event: StoredEvent) -> None:
        data = parse_json(path_of(event).read_bytes())
        version = event.schema_version
        assert CODEC.decode(event.stored_as, version, data, sample_keyring()) == event

    def test_it_is_still_written_so(self, event: StoredEvent) -> None:
        """But for what is sealed, which is never the same twice."""
        now = CODEC.encode(event, sample_keyring(), APPLICANT)
        assert in_clear(now) == in_clear(json.loads(path_of(event).read_bytes()))


@pytest.mark.parametrize(
    ("event", "version"), OLDER, ids=lambda one: getattr(one, "stored_as", one)
)
def test_an_older_version_reads_as_the_current_one(event: StoredEvent, version: int) -> None:
    stored_then = path_of(event).with_name(f"{event.stored_as}.v{version}.json")
    data = parse_json(stored_then.read_bytes())
    assert CODEC.decode(event.stored_as, version, data, sample_keyring()) == event


def in_clear(value: Any) -> Any:
    match value:
        case {"sealed": _, "subject": subject}:
            return ("sealed", subject)
        case dict():
            return {name: in_clear(item) for name, item in value.items()}
        case list():
            return [in_clear(item) for item in value]
        case _:
            return value


def test_every_version_of_every_event_has_a_sample() -> None:
    versions = {
        f"{kind.stored_as}.v{version}.json"
        for kind in KINDS
        for version in range(1, kind.schema_version + 1)
    }
    assert {path.name for path in path_of(SAMPLES[0]).parent.glob("*.json")} == versions


def test_names_of_events_are_unique_and_every_older_version_has_an_upcaster() -> None:
    assert len({kind.stored_as for kind in KINDS}) == len(KINDS)
    older = {(k.stored_as, version) for k in KINDS for version in range(1, k.schema_version)}
    assert set(UPCASTERS) == older


def test_amounts_are_strings_with_their_digits_and_none_is_left_out() -> None:
    offered = e.Offered(offer_id="1", amount=Decimal("9000.00"), valid_until=date(2026, 4, 30))
    data = CODEC.encode(offered, NoKeyring(), APPLICANT)
    assert data == {"offer_id": "1", "amount": "9000.00", "valid_until": "2026-04-30"}


class TestPersonalFields:
    NOTE = e.Noted(text="Jane Roe called", topic="phone")
    JOINT = e.Amended(
        income=Decimal(1),
        co_applicants=(
            e.JointApplicant(applicant_id="cust_2003", income=Decimal(2)),
            e.JointApplicant(applicant_id="cust_2004", income=Decimal(3)),
        ),
    )

    @pytest.mark.parametrize("event", SAMPLES, ids=lambda event: event.stored_as)
    def test_are_never_stored_in_clear(self, event: StoredEvent) -> None:
        encoded = json.loads(path_of(event).read_bytes())
        for field, hint in get_type_hints(type(event), include_extras=True).items():
            personal = any(isinstance(m, Personal) for m in getattr(hint, "__metadata__", ()))
            if personal and getattr(event, field) is not None:
                assert set(encoded[field]) == {"sealed", "subject"}

    def test_are_sealed_with_the_key_of_the_person_they_are_about(self) -> None:
        keyring, _ = keyring_for(self.JOINT)
        data: Any = CODEC.encode(self.JOINT, keyring, APPLICANT)
        assert data["income"]["subject"] == APPLICANT
        subjects = [person["income"]["subject"] for person in data["co_applicants"]]
        assert subjects == ["cust_2003", "cust_2004"]

    def test_read_as_erased_once_the_key_is_destroyed(self) -> None:
        keyring, rows = keyring_for(self.JOINT)
        data = parse_json(stored(self.JOINT, keyring))
        rows = [replace(row, wrapped=None) if row.subject == "cust_2003" else row for row in rows]
        left = Keyring.unwrap(APPLICATION_ID, rows, MASTER, urandom)
        one, other = self.JOINT.co_applicants or ()
        assert read(self.JOINT, data, left) == replace(
            self.JOINT, co_applicants=(replace(one, income=ERASED), other)
        )

    def test_of_a_person_without_a_key_are_a_fault(self) -> None:
        keyring, _ = keyring_for(self.NOTE)
        data = parse_json(stored(self.NOTE, keyring))
        nobody = Keyring(APPLICATION_ID, urandom)
        with pytest.raises(SealBroken, match="is missing"):
            read(self.NOTE, data, nobody)
        with pytest.raises(SealBroken, match="no key"):
            CODEC.encode(self.NOTE, nobody, APPLICANT)

    def test_moved_to_another_field_do_not_open(self) -> None:
        event = e.Applied(
            applicant_id=APPLICANT,
            amount=Decimal(1),
            currency="USD",
            credit_kind=c.CreditKind.CONSUMER,
            purpose="1",
            income=Decimal(1),
        )
        keyring, _ = keyring_for(event)
        data: Any = CODEC.encode(event, keyring, APPLICANT)
        with pytest.raises(SealBroken):
            read(event, {**data, "purpose": data["income"]}, keyring)

    def test_moved_to_another_event_do_not_open(self) -> None:
        keyring, _ = keyring_for(self.NOTE)
        note = CODEC.encode(self.NOTE, keyring, APPLICANT)
        held = e.Held(kind=c.HoldKind.FRAUD, text="x")
        with pytest.raises(SealBroken):
            read(held, {"kind": "fraud", "text": note["text"]}, keyring)

    def test_moved_to_another_application_do_not_open(self) -> None:
        keyring, rows = keyring_for(self.NOTE)
        data = parse_json(stored(self.NOTE, keyring))
        other_id = uuid7(0, 1_772_442_000_000, 2)
        with pytest.raises(SealBroken):
            Keyring.unwrap(other_id, rows, MASTER, urandom)
        elsewhere, _ = Keyring(other_id, urandom).grow([APPLICANT], MASTER)
        with pytest.raises(SealBroken):
            read(self.NOTE, data, elsewhere)

    def test_swapped_between_persons_do_not_open(self) -> None:
        keyring, _ = keyring_for(self.JOINT)
        data: Any = CODEC.encode(self.JOINT, keyring, APPLICANT)
        one, other = data["co_applicants"]
        swapped = [{**one, "income": other["income"]}, {**other, "income": one["income"]}]
        with pytest.raises(SealBroken):
            read(self.JOINT, {**data, "co_applicants": swapped}, keyring)
        renamed = {**one, "income": {**other["income"], "subject": one["applicant_id"]}}
        with pytest.raises(SealBroken):
            read(self.JOINT, {**data, "co_applicants": [renamed]}, keyring)

    @given(index=st.integers(0, 10**6), letter=st.sampled_from("AaZz09+/= -"))
    def test_edited_do_not_open(self, index: int, letter: str) -> None:
        keyring, _ = keyring_for(self.NOTE)
        data: Any = CODEC.encode(self.NOTE, keyring, APPLICANT)
        sealed = data["text"]["sealed"]
        at = index % len(sealed)
        edited = sealed[:at] + letter + sealed[at + 1 :]
        data["text"]["sealed"] = edited
        if edited != sealed:
            with pytest.raises(SealBroken):
                read(self.NOTE, data, keyring)


class TestWhatCannotBeRead:
    SCORED = e.Scored(model="m", model_version="1", score=Decimal(1))
    CLEAR: Final[JsonObject] = {"model": "m", "model_version": "1", "score": "1", "factors": []}

    @pytest.mark.parametrize(
        ("event_type", "version"), [("paid", 1), ("", 1), ("scored", 2), ("scored", 0)]
    )
    def test_an_unknown_event_or_version_is_a_fault(self, event_type: str, version: int) -> None:
        with pytest.raises(UnknownEvent):
            CODEC.decode(event_type, version, self.CLEAR, NoKeyring())

    @pytest.mark.parametrize(
        "change",
        [
            {"score": 1},
            {"score": 1.5},
            {"score": None},
            {"score": "NaN"},
            {"score": "Infinity"},
            {"score": "1e3"},
            {"score": " 1"},
            {"score": "1_000"},
            {"score": "\u0661"},
            {"score": ""},
            {"model": 5},
            {"model": None},
            {"scored_on": "20260101"},
            {"scored_on": "2026-W01-1"},
            {"scored_on": "2026-02-30"},
            {"scored_on": 20260101},
            {"factors": "ab"},
            {"factors": ["a", 1]},
            {"factors": None},
            {"unheard_of": "x"},
        ],
        ids=repr,
    )
    def test_a_malformed_field_is_a_fault(self, change: JsonObject) -> None:
        assert CODEC.decode("scored", 1, self.CLEAR, NoKeyring()) == self.SCORED
        with pytest.raises(MalformedEvent):
            CODEC.decode("scored", 1, {**self.CLEAR, **change}, NoKeyring())

    def test_a_missing_field_is_named(self) -> None:
        with pytest.raises(MalformedEvent, match=r"missing \['model', 'score'\], unknown \['a'\]"):
            CODEC.decode("scored", 1, {"model_version": "1", "a": "b"}, NoKeyring())

    @pytest.mark.parametrize("data", [None, [], "x", 5, True, [["model", "m"]]])
    def test_data_that_is_no_object_is_a_fault(self, data: JsonValue) -> None:
        with pytest.raises(MalformedEvent):
            CODEC.decode("scored", 1, data, NoKeyring())

    @pytest.mark.parametrize(
        ("event_type", "data"),
        [
            ("withdrawn", {"by": "nobody"}),
            ("withdrawn", {"by": ["applicant"]}),
            ("decided", {"outcome": "approved", "decider": "principal", "term_months": "36"}),
            ("decided", {"outcome": "approved", "decider": "principal", "term_months": True}),
            ("decided", {"outcome": "approved", "decider": "principal", "policy": {"name": "x"}}),
            ("decided", {"outcome": "approved", "decider": "principal", "facts": {"a": [1]}}),
            ("decided", {"outcome": "approved", "decider": "principal", "facts": ["a"]}),
            ("noted", {"text": "in clear"}),
            ("noted", {"text": None}),
            ("noted", {"text": {"sealed": "AAAA"}}),
            ("noted", {"text": {"sealed": "AAAA", "subject": "cust_2002", "more": "x"}}),
            ("noted", {"text": {"sealed": 5, "subject": "cust_2002"}}),
        ],
    )
    def test_malformed_values_inside_are_faults(self, event_type: str, data: JsonValue) -> None:
        with pytest.raises(MalformedEvent):
            CODEC.decode(event_type, 1, data, sample_keyring())

    @pytest.mark.parametrize("continues", ["{x}", "x" * 36, "019C1111-2222-7000-8333-444455556666"])
    def test_a_uuid_is_read_in_its_one_form(self, continues: str) -> None:
        data = {"applicant_id": "a", "amount": "1.00", "currency": "USD", "credit_kind": "consumer"}
        with pytest.raises(MalformedEvent):
            CODEC.decode("applied", 1, {**data, "continues": continues}, NoKeyring())

    @pytest.mark.parametrize("number", ["NaN", "sNaN", "Infinity", "-Infinity"])
    def test_what_is_no_number_is_not_written_either(self, number: str) -> None:
        event = replace(self.SCORED, score=Decimal(number))
        with pytest.raises(NotCanonical):
            CODEC.encode(event, NoKeyring(), "")


class TestUpcasting:
    def test_an_older_version_is_brought_up_step_by_step(self) -> None:
        codec = Codec(
            types=(_Third,),
            upcasters={
                ("activated", 1): lambda data: {**_object(data), "version": "from 1"},
                ("activated", 2): lambda data: {"name": _object(data)["policy"], **_rest(data)},
            },
        )
        third = _Third(name="x", version="from 1")
        assert codec.decode("activated", 1, {"policy": "x"}, NoKeyring()) == third
        second: JsonObject = {"policy": "x", "version": "from 1"}
        assert codec.decode("activated", 2, second, NoKeyring()) == third

    def test_a_version_without_an_upcaster_is_unknown(self) -> None:
        with pytest.raises(UnknownEvent):
            Codec(types=(_Third,)).decode("activated", 1, {"policy": "x"}, NoKeyring())


class _Third(PolicyActivated):
    stored_as = "activated"
    schema_version = 3


def _object(data: JsonValue) -> JsonObject:
    assert isinstance(data, dict)
    return data


def _rest(data: JsonValue) -> JsonObject:
    return {name: item for name, item in _object(data).items() if name != "policy"}


def test_persons_of_an_event_are_the_applicant_and_those_it_names() -> None:
    assert persons(TestPersonalFields.JOINT, "a") == ["a", "cust_2003", "cust_2004"]
    assert persons(TestPersonalFields.NOTE, "a") == ["a"]


def test_a_registry_event_has_nothing_personal() -> None:
    for kind in REGISTRY_EVENTS:
        hints = get_type_hints(kind, include_extras=True)
        assert not any(hasattr(hints[field.name], "__metadata__") for field in fields(kind))
    with pytest.raises(TypeError):
        NoKeyring().seal("", "", b"")
    with pytest.raises(TypeError):
        NoKeyring().unseal("", "", "")
