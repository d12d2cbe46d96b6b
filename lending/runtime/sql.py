"""SQL by name: reads a `.sql` file of named statements, and vouches for their text.

What belongs here: the one place where text becomes a query. Statements are written in `.sql` files
as sections that begin with `-- name: some_name`, then a comment that says what the statement does.
"""

import re
from collections.abc import Mapping
from importlib.resources.abc import Traversable
from pathlib import Path
from types import MappingProxyType
from typing import LiteralString

_SECTION = re.compile(r"^-- name: *(?P<name>\S+) *$", re.MULTILINE)
_NAME = re.compile(r"[a-z][a-z0-9_]*\Z")


class MalformedQueries(Exception):
    """A `.sql` file of statements breaks the form this loader reads; a fault of the program."""


def load_queries(file: Path | Traversable) -> Mapping[str, LiteralString]:
    """The statements of `file` by name, comments removed at their head, without the last semicolon.

    The text comes from a file of this program, never from outside: that is what makes it literal.
    Raises MalformedQueries for text before the first name, a bad or repeated name, or no comment.
    """
    pieces = _SECTION.split(file.read_text(encoding="utf-8"))
    preamble, rest = pieces[0], pieces[1:]
    if any(line and not line.startswith("--") for line in preamble.splitlines()):
        raise MalformedQueries(f"{file}: text before the first '-- name:'")
    queries: dict[str, LiteralString] = {}
    for name, body in zip(rest[::2], rest[1::2], strict=True):
        if not _NAME.match(name) or name in queries:
            raise MalformedQueries(f"{file}: the name {name!r} is malformed or used twice")
        queries[name] = _statement(body, f"{file}: {name}")
    return MappingProxyType(queries)


def _statement(body: str, where: str) -> LiteralString:
    lines = body.strip().splitlines()
    comments = 0
    while comments < len(lines) and lines[comments].startswith("--"):
        comments += 1
    statement = "\n".join(lines[comments:]).strip().removesuffix(";").rstrip()
    if comments == 0 or not statement:
        raise MalformedQueries(f"{where}: a section is a comment that says what it does, then SQL")
    return statement
