"""What a read model is: a pure function from rows, an event and the loan to the changed rows.

What belongs here: the contract between a read model and the machinery that runs it. Every row of a
read model belongs to one application, so that an application can be left out, taken in again and
compared by itself.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final, LiteralString, NamedTuple
from uuid import UUID

from psycopg import sql

from lending.domain.application.state import Application
from lending.ledger.codec import StoredEvent

Row = dict[str, Any]
"""A row of a read model, by column. Never changed in place: a changed row is a new one."""

Key = tuple[Any, ...]
"""What tells the rows of one application apart: the primary key behind shard and application."""

Rows = Mapping[Key, Row]
"""Rows of one application."""

Loan = Callable[[], Application]
"""Gives the domain's own fold of the application: the state after the event at hand."""


class Schemas(NamedTuple):
    """Where a read model's tables are, and the view over them, with what else is made of it."""

    tables: str
    views: str


LIVE: Final = Schemas("read_data", "read")
"""Where the workers keep them, and analysts look."""


class Unreadable(NamedTuple):
    """Stands for an event that could not be decoded, and says why."""

    error: str


class Happened(NamedTuple):
    """An event with what the log says of it."""

    position: int
    application_id: UUID
    version: int
    event_type: str
    actor: str
    on_behalf_of: str | None
    epoch: int
    recorded_at: datetime
    effective_at: datetime
    effective_on: date
    event: StoredEvent | Unreadable
    shard: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadModel:
    """A read model. `name` is the view's name, and what its tables' names begin with; `schemas` says
    where they are.

    `code_version` goes up with every change of what is computed: rows of another version are left
    alone until they are rebuilt. `columns` are the table's, the first ones its key: shard,
    application, and what tells the application's rows apart.

    `apply` gives the rows that an event changes, given the application's rows as they are. It may
    ask for the loan for the events named in `folds` only. Personal fields are decrypted for it only
    where `opens` names them, as EVENT.FIELD; the others read as erased.

    `settle`, where there is one, gives the rows that follow from the loan as it stands after the
    last of several events in `folds` that are folded together: what is dear to compute, and does not
    depend on what was in between. With `whole` they are all of the application's rows, and those
    that it does not give are gone.

    `looks_back` says for which events `apply` or `settle` looks at earlier rows of the application;
    without it, for all. For the others these are not read, and nothing is remembered of them.

    `passes_over` names events that `apply` makes nothing of. Where a stretch of the log has no other
    events of an application, none of them is read. An event of a type that nobody knows is never
    among them.

    `queries` are `create_table`, `create_indexes`, `replace_view`, `load` and `upsert`. They name
    {table} and {view}, and {read} as the schema of the views.
    """

    name: str
    code_version: int
    columns: tuple[str, ...]
    key_columns: int
    folds: frozenset[str]
    opens: frozenset[str]
    apply: Callable[[Rows, Happened, Loan], Rows]
    queries: Mapping[str, LiteralString]
    settle: Callable[[Rows, Happened, Loan], Rows] | None = None
    whole: bool = False
    looks_back: Callable[[Happened], bool] | None = None
    passes_over: frozenset[str] = frozenset()
    schemas: Schemas = LIVE

    @property
    def view(self) -> sql.Identifier:
        """The view that analysts query."""
        return sql.Identifier(self.schemas.views, self.name)

    def table_name(self, generation: int) -> str:
        """The name of a generation's table."""
        return f"{self.name}__v{generation}"

    def table(self, generation: int) -> sql.Identifier:
        """The table of a generation."""
        return sql.Identifier(self.schemas.tables, self.table_name(generation))

    def statement(self, name: str, generation: int) -> sql.Composed:
        """One of the read model's statements, for the table of a generation."""
        return sql.SQL(self.queries[name]).format(
            table=self.table(generation), view=self.view, read=sql.Identifier(self.schemas.views)
        )

    def settles(self, happened: Happened) -> bool:
        """Whether rows follow from the loan as it stands after this event."""
        return self.settle is not None and happened.event_type in self.folds

    def key_of(self, row: Row) -> Key:
        """What tells `row` apart from the application's other rows."""
        return tuple(row[column] for column in self.columns[2 : self.key_columns])
