"""What somebody says a principal is, as a principal: the same rules for the command line and tokens."""

import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Final, TypeVar

from lending.domain.authority import Principal, PrincipalKind, Role
from lending.domain.money import WHOLE_DIGITS, is_currency, is_exact
from lending.runtime import limits

TOKEN_PREFIX: Final = "jwt:"  # noqa: S105 what names begin with, not a secret
"""What the name of a principal begins with that a token speaks for."""

T = TypeVar("T")

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@/-]{0,127}", re.ASCII)
_RESERVED: Final = frozenset({"local", "system"})
_OPAQUE: Final = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?", re.ASCII)
_AMOUNT: Final = re.compile(r"[0-9]{1,15}(?:\.[0-9]{1,4})?", re.ASCII)


class InvalidPrincipal(ValueError):
    """What was said of a principal does not hold; the text says what."""


def registered_name(name: str) -> str:
    """The name of a principal that an operator registers. Raises InvalidPrincipal."""
    if not _NAME.fullmatch(name) or name in _RESERVED:
        raise InvalidPrincipal(
            f"{name!r} cannot be a principal's name: it has up to 128 letters, digits and ._@/-,"
            " begins with a letter or digit, and is neither local nor system"
        )
    return name


def token_name(subject: object) -> str:
    """The name of the principal that a token with this subject speaks for.

    Raises InvalidPrincipal.
    """
    return TOKEN_PREFIX + _opaque(subject, limits.OPAQUE_ID_MAX_CHARACTERS - len(TOKEN_PREFIX))


def principal_of(
    name: str,
    *,
    kind: object,
    roles: Iterable[object],
    amounts: Mapping[str, object],
    acts_for: Iterable[object],
) -> Principal:
    """The principal `name`, from words. Raises InvalidPrincipal naming the word that is wrong."""
    words = {role.value: role for role in Role}
    found = [_one_of(words, role, "role") for role in roles]
    if not found:
        raise InvalidPrincipal("a principal has at least one role")
    if Role.IMPORTER in found and (len(set(found)) > 1 or kind != PrincipalKind.SYSTEM):
        raise InvalidPrincipal(
            "an importer records what others decided elsewhere, whatever the limits here: it is of"
            " kind system and has no other role"
        )
    behalf = frozenset(_opaque(other, limits.OPAQUE_ID_MAX_CHARACTERS) for other in acts_for)
    if len(behalf) > limits.ACTS_FOR_MAX:
        raise InvalidPrincipal(f"a principal acts for at most {limits.ACTS_FOR_MAX} others")
    if len(amounts) > limits.AMOUNTS_MAX:
        raise InvalidPrincipal(f"a principal has limits in at most {limits.AMOUNTS_MAX} currencies")
    return Principal(
        name=name,
        kind=_one_of({kind.value: kind for kind in PrincipalKind}, kind, "kind"),
        roles=frozenset(found),
        limits={currency: _limit(currency, amount) for currency, amount in amounts.items()},
        acts_for=behalf,
    )


def _one_of(words: Mapping[str, T], word: object, what: str) -> T:
    if not isinstance(word, str) or word not in words:
        raise InvalidPrincipal(f"{word!r} is no {what}; there are {', '.join(words)}")
    return words[word]


def _opaque(text: object, longest: int) -> str:
    if not isinstance(text, str) or len(text) > longest or not _OPAQUE.fullmatch(text):
        raise InvalidPrincipal(f"{text!r} is not 1 to {longest} printable ASCII characters")
    return text


def _limit(currency: str, amount: object) -> Decimal:
    if not is_currency(currency):
        raise InvalidPrincipal(f"{currency!r} is no currency of ISO 4217")
    if not isinstance(amount, str) or not _AMOUNT.fullmatch(amount):
        raise InvalidPrincipal(
            f"the limit in {currency} is an amount such as 50000.00, up to {WHOLE_DIGITS} digits"
        )
    if not is_exact(Decimal(amount), currency):
        raise InvalidPrincipal(f"{amount} has more decimals than {currency} has")
    return Decimal(amount)
