"""The routes of persons' data, and how the OpenAPI document describes them."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID

from lending.api import openapi
from lending.api.acts import Operators
from lending.api.answer_schemas import (
    POSITION,
    TEXT,
    UUID_TEXT,
    array,
    or_null,
    page,
    record,
    reference,
)
from lending.api.routing import Endpoint
from lending.api.subjects import (
    ERASING,
    ERASURE,
    EXPORT,
    EXPORTING,
    HOLD,
    HOLDING,
    RELEASE,
    RELEASING,
    SUBJECTS,
    SubjectEndpoints,
)
from lending.contract.bodies import Body
from lending.service.erasure import Outcome
from lending.service.persons import Persons

BODIES: Final[Mapping[str, Body[Any]]] = MappingProxyType(
    {HOLD: HOLDING, RELEASE: RELEASING, EXPORT: EXPORTING, ERASURE: ERASING}
)
"""The bodies that these routes take, by path."""

_ALL: Final = openapi.OF_AUTHORITY
_PATH: Final = openapi.path_parameters(HOLDING, "The person's pseudonym:")
_TAG: Final = "persons"
_TRUTH: Final = {"type": "boolean"}


def routes(
    persons: Persons, ledger_id: UUID, operators: Operators
) -> Iterator[tuple[str, str, Endpoint, dict[str, Any]]]:
    """Method, path, endpoint and operation of each route."""
    to = SubjectEndpoints(persons, ledger_id, operators)
    yield "GET", SUBJECTS, to.list, openapi.reading(
        "list_subjects", "The legal holds that stand, and the erasures under way",
        page("SubjectRow"), tag=_TAG, statuses=_ALL,
    )  # fmt: skip
    yield "POST", HOLD, to.hold, openapi.acting(
        "hold_subject", "Place a legal hold on a person's data",
        "While it stands they are not erased. Also for who is not on record yet. Asking again changes"
        " nothing.",
        HOLDING, tag=_TAG, answer="SubjectHoldAct", in_path=_PATH,
    )  # fmt: skip
    yield "POST", RELEASE, to.release, openapi.acting(
        "release_subject", "Lift the legal hold on a person's data",
        "Asking again changes nothing.",
        RELEASING, tag=_TAG, answer="SubjectHoldAct", in_path=_PATH,
    )  # fmt: skip
    yield "POST", EXPORT, to.export, openapi.acting(
        "export_subject", "Everything on record of a person",
        "That it was given is on record before the first byte is sent. What is another person's is"
        " withheld. A fault on the way ends the connection.",
        EXPORTING, tag=_TAG, answer="SubjectExport", in_path=_PATH,
    )  # fmt: skip
    yield "GET", ERASURE, to.rehearse, openapi.reading(
        "rehearse_erasure", "What erasing a person's data would do", reference("SubjectErasure"),
        tag=_TAG, parameters=_PATH, statuses=(404, 409, *_ALL),
    )  # fmt: skip
    yield "POST", ERASURE, to.erase, openapi.acting(
        "erase_subject", "Erase a person's data",
        "Recorded first; then it waits for the read models a few seconds, and destroys the person's"
        " keys. `read_models_behind` means that it is on record: ask again, and it goes on.",
        ERASING, tag=_TAG, answer="SubjectErasure", in_path=_PATH,
    )  # fmt: skip


def components() -> dict[str, Any]:
    """The components that describe the answers of these routes, by name."""
    object_: dict[str, Any] = {"type": "object"}
    under_way = record(applications=array(UUID_TEXT), position=POSITION)
    return {
        "SubjectRow": record(
            subject=TEXT,
            hold=or_null(record(reason=TEXT, position=POSITION)),
            erasure=or_null(under_way),
        ),
        "SubjectHoldAct": record(
            subject=TEXT,
            held=_TRUTH,
            reason=or_null(TEXT),
            position=or_null(POSITION),
            changed=_TRUTH,
            on_record=_TRUTH,
        ),
        "SubjectErasure": record(
            subject=TEXT,
            outcome={"enum": [*Outcome]},
            applications=array(UUID_TEXT),
        ),
        "SubjectExport": record(
            subject=TEXT,
            ledger_id=UUID_TEXT,
            position=or_null(POSITION),
            record=array(object_),
            applications=array(
                record(application_id=UUID_TEXT, erased=_TRUTH, events=array(object_))
            ),
        ),
    }
