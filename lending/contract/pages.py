"""Pages that stand by themselves and print on paper: no script, nothing from elsewhere.

What belongs here: what pages have in common. What they say is for their own modules.
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from html import escape
from typing import Any, Final

from lending.ledger.plain import decimal_text, plain

_STYLE: Final = (
    "body{font:14px/1.4 system-ui,sans-serif;max-width:60em;margin:2em auto;padding:0 1em}"
    "table{border-collapse:collapse;width:100%;margin:1em 0}"
    "th,td{padding:.3em .6em;border-bottom:1px solid #ccc;text-align:right;white-space:nowrap}"
    "th:first-child,td:first-child,.text{text-align:left}"
    "caption{text-align:left;font-weight:600;padding:.4em 0}"
    "@media print{body{margin:0;max-width:none}}"
)
PROSE: Final = "th,td{text-align:left;white-space:normal;vertical-align:top}"
"""Style for tables of words instead of figures."""


def page(title: str, parts: Iterable[str], style: str = "") -> bytes:
    """A page of these parts, which are HTML."""
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{escape(title)}</title>"
        f"<style>{_STYLE}{style}</style><body>{''.join(parts)}</body></html>"
    ).encode()


def table(caption: str, heads: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """A table; values are escaped, None is an empty cell."""
    head = "".join(f"<th>{escape(name)}</th>" for name in heads)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(_shown(value))}</td>" for value in row) + "</tr>"
        for row in rows
    )
    return f"<table><caption>{escape(caption)}</caption><tr>{head}</tr>{body}</table>"


def _shown(value: Any) -> str:
    if value is None:
        return ""
    return decimal_text(value) if isinstance(value, Decimal) else str(plain(value))
