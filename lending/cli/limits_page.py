"""The page of the limits, from the modules that have them; a part of `lending catalogue`."""

import ast
import inspect
import re
from collections.abc import Iterator
from types import ModuleType

from lending.ledger import limits as of_the_log
from lending.policy import limits as of_policies
from lending.runtime import limits
from lending.service import limits as of_persons

_UNITS = (
    "bytes",
    "characters",
    "commands",
    "connections",
    "days",
    "events",
    "items",
    "requests",
    "seconds",
)


def blocks() -> Iterator[str]:
    """The page's blocks: a table for each part of the modules."""
    yield (
        "What bounds what. Limits are constants of the program; what may differ from one"
        " installation to the next is a [setting](settings.md)."
    )
    for module in (limits, of_the_log, of_policies, of_persons):
        yield from _parts(module)


def _parts(module: ModuleType) -> Iterator[str]:
    source = inspect.getsource(module)
    parts = re.split(r"^# -- (.+?) -+$", source, flags=re.MULTILINE)
    for title, part in zip(parts[1::2], parts[2::2], strict=True):
        yield f"## {title[0].upper()}{title[1:]}"
        rows = [
            f"| `{name}` | {_amount(module, name)} | {meaning} |"
            for name, meaning in _constants(part)
        ]
        yield "\n".join(["| limit | | what it bounds |", "| --- | ---: | --- |", *rows])


def _constants(part: str) -> Iterator[tuple[str, str]]:
    statements = ast.parse(part).body
    for constant, docstring in zip(statements[::2], statements[1::2], strict=True):
        match constant, docstring:
            case (
                ast.AnnAssign(target=ast.Name(id=name)),
                ast.Expr(value=ast.Constant(value=str(meaning))),
            ):
                yield name, " ".join(meaning.split())
            case _:
                raise ValueError(f"not a constant and what it means: {ast.unparse(constant)}")


def _amount(module: ModuleType, name: str) -> str:
    value = getattr(module, name)
    written = "; ".join(f"{v:,}" for v in (value if isinstance(value, tuple) else (value,)))
    unit = name.rpartition("_")[2].lower()
    return f"{written} {unit}" if unit in _UNITS else written
