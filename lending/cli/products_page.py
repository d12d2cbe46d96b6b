"""The page of what a product fixes, from the dataclasses; a part of `lending catalogue`."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import MISSING, Field, fields
from enum import Enum
from typing import Any, get_args, get_type_hints

from lending.domain.loan.terms import Terms
from lending.domain.meanings import FIELDS, VALUES
from lending.domain.product_faults import FAULTS
from lending.domain.products import Product


def blocks(described: Callable[[Any], str]) -> Iterator[str]:
    """The page's blocks; `described` puts a field's type into words."""
    yield (
        "Everything that the terms of a loan are made of, and what a product may leave open. How to"
        " publish one is in [products](../how-to/products.md); what the money engine makes of it in"
        " [the loan engine](loan-engine.md). Amounts and rates may be JSON numbers or strings; they"
        " are taken exactly."
    )
    for kind in FIELDS:
        yield f"## {kind.__name__}"
        if kind not in (Product, Terms):
            yield f"Of {_users(kind)}."
        yield _fields(kind, described)
    yield "# Values"
    for enum, meanings in VALUES.items():
        yield f"## {enum.__name__}"
        yield f"Of {_users(enum)}."
        yield _table(
            ("value", "meaning"), [(f"`{value}`", said) for value, said in meanings.items()]
        )
    yield "# What may be wrong with a product"
    yield (
        "A product is refused with all of these that hold of it, in this order; an offer with the"
        " first. The terms are looked at for the largest amount, or the smallest, or 1,000 units of"
        " the currency; of an offer, for its amount. What is said in vain, and any zero amount, is"
        " asked of a product alone: a version that is on record goes on to be offered."
    )
    yield _table(("fault", "meaning"), [(f"`{fault}`", said) for fault, said in FAULTS.items()])


def _fields(kind: type[Any], described: Callable[[Any], str]) -> str:
    hints = get_type_hints(kind, include_extras=True)
    rows = [
        (f"`{f.name}`", _type(hints[f.name], described), _default(f), FIELDS[kind][f.name])
        for f in fields(kind)
    ]
    return _table(("field", "type", "if not given", "meaning"), rows)


def _type(hint: Any, described: Callable[[Any], str]) -> str:
    """The type in words; what has a table of its own is a link to it."""
    found = next((kind for kind in (*FIELDS, *VALUES) if kind in _parts(hint)), None)
    if found is None:
        return described(hint)
    link = f"[{found.__name__}](#{found.__name__.lower()})"
    return f"list of {link}" if tuple in _parts(hint) else link


def _parts(hint: Any) -> set[Any]:
    """The classes that a hint is made of."""
    if isinstance(hint, type) and not get_args(hint):
        return {hint}
    arms = [part for arm in get_args(hint) for part in _parts(arm)]
    return {getattr(hint, "__origin__", None), *arms}


def _users(kind: type[Any]) -> str:
    """Which fields are of this kind, as a list."""
    found = [
        f"`{field.name}` of {user.__name__}"
        for user in FIELDS
        for field in fields(user)
        if kind in _parts(get_type_hints(user, include_extras=True)[field.name])
    ]
    return ", ".join(found)


def _default(field: Field[Any]) -> str:
    if field.default is MISSING:
        return "*required*"
    if isinstance(field.default, tuple):
        return ", ".join(f"`{item}`" for item in field.default)
    written = field.default.value if isinstance(field.default, Enum) else field.default
    return "" if written is None else f"`{written}`"


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
