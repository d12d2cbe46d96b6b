"""Every field of a product, and every value it may have, is said to mean something."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import StrEnum
from typing import Any, get_args, get_type_hints

from lending.domain.meanings import FIELDS, VALUES
from lending.domain.product_faults import FAULTS, ProductFault
from lending.domain.products import Product


def classes(hint: Any) -> list[type[Any]]:
    """The classes a hint is made of, and those their fields are made of."""
    if get_args(hint):
        return [kind for part in get_args(hint) for kind in classes(part)]
    if not isinstance(hint, type):
        return []
    if is_dataclass(hint):
        hints = get_type_hints(hint, include_extras=True)
        return [hint, *(kind for part in hints.values() for kind in classes(part))]
    return [hint]


def test_every_field_of_a_product_and_of_its_terms_has_a_meaning() -> None:
    assert set(FIELDS) == {kind for kind in classes(Product) if is_dataclass(kind)}
    for kind, meanings in FIELDS.items():
        assert list(meanings) == [field.name for field in fields(kind)]


def test_every_value_has_a_meaning() -> None:
    assert set(VALUES) == {kind for kind in classes(Product) if issubclass(kind, StrEnum)}
    for kind, meanings in VALUES.items():
        assert list(meanings) == [member.value for member in kind]


def test_every_fault_has_a_meaning() -> None:
    assert list(FAULTS) == list(ProductFault)


def test_a_meaning_is_a_sentence_that_fits_into_a_table() -> None:
    tables: list[Mapping[Any, str]] = [*FIELDS.values(), *VALUES.values(), FAULTS]
    said = [text for table in tables for text in table.values()]
    assert [text for text in said if not text.endswith(".") or "|" in text or "\n" in text] == []
