"""Persons with names, addresses and incomes of their own, and the forms in which these could be left.

What belongs here: what is personal in these tests, and looking for it in bytes, whatever they are.
"""

import base64
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from html import escape
from urllib.parse import quote

NAMES = (
    ("Zoë", "Lindqvist-Ångström"), ("山田", "太郎"), ("Siobhán", "O’Connor"), ("Пётр", "Чайковский"),
    ("نجيب", "محفوظ"), ("Ada", "Lovelace"), ("Nguyễn", "Thị Định"), ("Renée", "\"Née\" <Dupont> & Söhne"),
    ("😀 Emoji", "𝔊othic"),
)  # fmt: skip
"""Given and family names: of several scripts, with what HTML, SQL, JSON or CSV would escape."""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who applies; everything but the pseudonym is personal, and only theirs."""

    number: int

    @property
    def subject(self) -> str:
        """The pseudonym."""
        return f"cust_{self.number:03}"

    @property
    def name(self) -> str:
        """The name."""
        given, family = NAMES[self.number % len(NAMES)]
        return f"{given} {self._mark('n')} {family}"

    @property
    def address(self) -> str:
        """The postal address."""
        return f"Straße des 17. Juni {self._mark('a')}\n10623 Berlin"

    @property
    def email(self) -> str:
        """The e-mail address."""
        return f"{self._mark('e')}@beispiel.example"

    @property
    def income(self) -> Decimal:
        """The monthly income: ten digits that stand nowhere else."""
        return Decimal(71_350_000 + 7_919 * self.number) + Decimal("0.37")

    @property
    def words(self) -> tuple[str, ...]:
        """All that must not be left of them; the income in minor units too, as policies see it."""
        marks = (self._mark(kind) for kind in "nae")
        return self.name, self.address, *marks, str(self.income), str(self.income).replace(".", "")

    def said(self, what: str) -> str:
        """A sentence with all of them in it."""
        return f"{what}: {self.name}, {self.address}, {self.email}"

    def _mark(self, kind: str) -> str:
        return f"{kind}{self.number:03}q{self.number * 104_729 % 999_983:06}z"


def forms_of(word: str) -> Iterator[bytes]:
    """The word as it is, and as it would be inside JSON, HTML, an address, hexadecimal or base64."""
    plain = word.encode()
    yield from (plain, word.encode("utf-16-le"), escape(word).encode(), quote(word).encode())
    for escaped in (json.dumps(word)[1:-1], json.dumps(word, ensure_ascii=False)[1:-1]):
        yield from (escaped.encode(), escaped.replace("\\", "\\\\").encode())
    yield from (plain.hex().encode(), plain.hex().upper().encode())
    for before, begin in enumerate((0, 2, 3)):
        # Wherever the word begins in what was encoded, these digits are its own.
        end = (before + len(plain)) * 8 // 6
        digits = base64.b64encode(bytes(before) + plain)[begin:end]
        yield from (digits, digits.translate(bytes.maketrans(b"+/", b"-_")))


def found_in(content: bytes, persons: Iterable[Person]) -> list[str]:
    """The words of these persons that are in the content, in whatever form."""
    return [
        word
        for person in persons
        for word in person.words
        if any(form in content for form in {*forms_of(word)})
    ]
