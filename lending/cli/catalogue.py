"""`lending catalogue`: the reference of commands, events, refusals and so on, from the code.

The pages are made from the dataclasses and enums themselves, so they cannot say anything else; a
test holds that those in `docs/reference` are the current ones.
"""

import inspect
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Union, get_args, get_origin, get_type_hints
from uuid import UUID

import typer
from annotated_types import Ge, Le, MaxLen, MinLen

from lending.cli import (
    authority_page,
    discrepancies_page,
    limits_page,
    policies_page,
    products_page,
)
from lending.domain.application import insufficient
from lending.domain.application.commands import COMMANDS, Apply, Command, command_name
from lending.domain.application.events import EVENTS
from lending.domain.application.reasons import (
    LENDERS_REASONS,
    MAX_REASONS,
    REASON_TEXTS,
    Reason,
)
from lending.domain.application.refusals import FORBIDDEN_BY, Refusal
from lending.domain.fields import Digits, Erased, Pattern, Personal
from lending.domain.products import Product
from lending.domain.registry import REGISTRY_EVENTS
from lending.runtime.errors import OperatorError

_MADE: Final = "<!-- Made by `lending catalogue`; change the code, not this page. -->"
_BARE: Final[Mapping[type[Any], str]] = {
    str: "text",
    int: "integer",
    Decimal: "decimal",
    date: "date",
    datetime: "instant",
    UUID: "UUID",
}


def catalogue(
    directory: Annotated[Path, typer.Option(help="Where the pages are.", file_okay=False)] = Path(
        "docs/reference"
    ),
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; fail where a page is not current.")
    ] = False,
) -> None:
    """Write the reference of commands, events, authority, refusals, reasons, limits, policies,
    products and discrepancies.
    """
    stale = {directory / name: text for name, text in pages().items()}
    stale = {page: text for page, text in stale.items() if not _says(page, text)}
    if check and stale:
        names = ", ".join(page.name for page in stale)
        raise OperatorError(f"not current: {names}; run `lending catalogue`")
    for page, text in stale.items():
        page.write_text(text, "utf-8")
        print(f"wrote {page}")
    if not stale:
        print("the pages are current")


def _says(page: Path, text: str) -> bool:
    return page.is_file() and page.read_text("utf-8") == text


def pages() -> dict[str, str]:
    """The pages, by the name of their file."""
    return {
        "commands.md": _page("Commands", _commands()),
        "events.md": _page("Events", _events()),
        "authority.md": _page("Authority", authority_page.blocks()),
        "refusals.md": _page("Refusals", _refusals()),
        "reasons.md": _page("Reasons", _reasons()),
        "limits.md": _page("Limits", limits_page.blocks()),
        "policies.md": _page("Policies", policies_page.blocks()),
        "discrepancies.md": _page("Discrepancies", discrepancies_page.blocks()),
        "products.md": _page("Products", products_page.blocks(_described)),
    }


def _page(title: str, blocks: Iterable[str]) -> str:
    return "\n\n".join([f"# {title}", _MADE, *blocks]) + "\n"


def _commands() -> Iterable[str]:
    yield (
        "What may be asked of an application, in the order of its life. A field marked *personal* "
        "is stored encrypted with the key of the person it is about. Amounts, rates and scores may "
        "be JSON numbers or strings; they are taken exactly. [Refusals](refusals.md) are listed in "
        "the order in which they are checked."
    )
    for kind in COMMANDS:
        yield f"## {command_name(kind)}"
        yield _doc(kind)
        yield _fields_table(kind)
        yield f"In these states it is always refused: {_refused(kind)}."


def _refused(kind: type[Command]) -> str:
    before = () if kind is Apply else (Refusal.EFFECTIVE_BEFORE_APPLICATION,)
    return ", ".join(f"`{refusal.code}`" for refusal in (*before, *FORBIDDEN_BY[kind]))


def _events() -> Iterable[str]:
    yield (
        "What is stored. Names and fields are the storage format and never change; a new shape is "
        "a new version. Decimals are strings, amounts with exactly the digits of the application's "
        'currency. A *personal* field is stored as `{"sealed": ..., "subject": ...}` and reads as '
        '`{"erased": true}` once the key of its person was destroyed. A field without a value is '
        "left out."
    )
    for kind in EVENTS:
        yield from _event(kind)
    yield "# Events of the registry"
    yield "The registry is the one stream of a shard that belongs to no application."
    for registry_kind in REGISTRY_EVENTS:
        yield from _event(registry_kind)


def _event(kind: Any) -> Iterable[str]:
    yield f"## {kind.stored_as}"
    yield f"Version {kind.schema_version}. {_doc(kind)}"
    yield _fields_table(kind)


def _refusals() -> Iterable[str]:
    yield (
        "Why a command does not hold. The list is closed, and its order is the precedence: where "
        "several apply, the first is given. The code is stable."
    )
    rows = [(f"`{r.code}`", r.meaning, _forbidden(r)) for r in Refusal]
    yield _table(("code", "meaning", "given to every command of these kinds in such a state"), rows)


def _forbidden(refusal: Refusal) -> str:
    names = (command_name(kind) for kind in COMMANDS if refusal in FORBIDDEN_BY[kind])
    return ", ".join(f"`{name}`" for name in names)


def _reasons() -> Iterable[str]:
    yield (
        "The specific reasons of an adverse action, and the wording that the applicant reads. A "
        f"rejection or a counter-offer carries one to {MAX_REASONS} of them. `other` is specified in "
        "`other_reason`; `not_recorded` is for imported history. Form C-1 is in Regulation B, 12 CFR "
        "1002, Appendix C."
    )
    rows = [
        (f"`{reason.value}`", text, LENDERS_REASONS.get(reason, "Form C-1"))
        for reason, text in REASON_TEXTS.items()
    ]
    yield _table(("code", "wording", "from"), rows)
    yield "## What is no specific reason"
    yield (
        "Refused in `other_reason` as `reason_insufficient` (12 CFR 1002.9(b)(2)), in any order of "
        "words, case, accents and punctuation. A star stands for any ending. The table is of English "
        "words and finite: it does not prove that a reason is specific, and a rare specific one that "
        "has such words is to be said otherwise. History that is brought in is kept as it was told."
    )
    yield _table(
        ("refused is", "words"),
        [
            ("a text without a letter", ""),
            ("whatever has a word with one of these in it", _stems(insufficient.SCORES)),
            ("one of these", _stems(insufficient.STANDARDS)),
            ("together with one of these", _stems(insufficient.OWNERS)),
            ("a text of nothing but those and these", _stems(insufficient.EMPTY)),
        ],
    )


def _stems(stems: Iterable[str]) -> str:
    return ", ".join(f"`{stem}`" for stem in stems)


def _doc(kind: type[Any]) -> str:
    return inspect.cleandoc(kind.__doc__ or "")


def _fields_table(kind: type[Any]) -> str:
    if not fields(kind):
        return "No fields."
    hints = get_type_hints(kind, include_extras=True)
    rows = [(f"`{f.name}`", _described(hints[f.name]), _default(f)) for f in fields(kind)]
    return _table(("field", "what it holds", "if not given"), rows)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _default(field: Field[Any]) -> str:
    if field.default is MISSING:
        return "*required*" if field.default_factory is MISSING else ""
    default = field.default.value if isinstance(field.default, Enum) else field.default
    return "" if default in (None, ()) else f"`{default}`"


def _described(hint: Any) -> str:
    """A field's type in words: what it is, its bounds, whether it is personal."""
    marks: list[Any] = []
    while get_origin(hint) is Annotated:
        hint, *more = get_args(hint)
        marks = [*more, *marks]
    arms = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    (kind,) = (arm for arm in arms if arm not in (NoneType, Erased))
    bounds = ", ".join(filter(None, map(_mark, marks)))
    if get_origin(kind) is tuple:
        return f"list{bounds and f' ({bounds})'} of: {_described(get_args(kind)[0])}"
    inner = _described(kind) if get_origin(kind) is Annotated else _type(kind)
    return f"{inner}{bounds and f', {bounds}'}"


def _type(kind: Any) -> str:
    if get_origin(kind) is not None:
        return "named texts" if get_args(kind)[1] is str else "named facts"
    if kind is Product:
        return "[product](products.md#product)"
    if is_dataclass(kind) and isinstance(kind, type):
        hints = get_type_hints(kind, include_extras=True)
        return "; ".join(f"`{f.name}` ({_described(hints[f.name])})" for f in fields(kind))
    if isinstance(kind, type) and issubclass(kind, Enum):
        if kind is Reason:
            return "[reason](reasons.md)"
        return "one of " + ", ".join(f"`{member.value}`" for member in kind)
    return _BARE[kind]


def _mark(mark: object) -> str:
    match mark:
        case Personal():
            return "*personal*"
        case Digits(whole=whole, fraction=fraction):
            return f"{whole} digits before the point and {fraction} after it at most"
        case Ge(ge=bound):
            return f"at least {bound}"
        case Le(le=bound):
            return f"at most {bound}"
        case Pattern(regex=regex):
            return f"matching `{regex.replace('|', '&#124;')}`"
        case MinLen(min_length=bound) if bound > 1:
            return f"at least {bound} long"
        case MaxLen(max_length=bound):
            return f"at most {bound} long"
        case _:
            return ""
