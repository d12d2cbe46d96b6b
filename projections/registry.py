"""Which read models there are, and how they come into a database.

What belongs here: their names, and installing what is missing. Another version of what is there is
a rebuild's affair.
"""

from collections.abc import Sequence
from typing import Final

import structlog

from lending.runtime.errors import OperatorError
from lending.runtime.postgres import PROJECTOR_ROLE, Connection, connect
from projections import tables
from projections.adverse_action.projection import MODEL as ADVERSE_ACTION
from projections.instalments.projection import MODEL as INSTALMENTS
from projections.journal_entries.projection import MODEL as JOURNAL_ENTRIES
from projections.loan_applications.projection import MODEL as LOAN_APPLICATIONS
from projections.loan_transactions.projection import MODEL as LOAN_TRANSACTIONS
from projections.loans.projection import MODEL as LOANS
from projections.model import ReadModel
from projections.reading import SQL

READ_MODELS: Final[tuple[ReadModel, ...]] = (
    LOAN_APPLICATIONS,
    LOANS,
    INSTALMENTS,
    LOAN_TRANSACTIONS,
    JOURNAL_ENTRIES,
    ADVERSE_ACTION,
)
"""Every read model, what is built on another behind it."""

log = structlog.stdlib.get_logger(__name__)


class UnknownReadModel(OperatorError):
    """There is no read model of this name."""


def read_model(name: str) -> ReadModel:
    """The read model of this name. Raises UnknownReadModel."""
    for model in READ_MODELS:
        if model.name == name:
            return model
    names = ", ".join(model.name for model in READ_MODELS)
    raise UnknownReadModel(f"there is no read model {name!r}; there is {names}")


async def install(database_url: str, models: Sequence[ReadModel] = READ_MODELS) -> None:
    """Make the table, the view and the checkpoints of these read models that the database lacks.

    Safe to run twice, and twice at once. Raises psycopg.Error.
    """
    connection = await connect(database_url, PROJECTOR_ROLE, "lending install")
    async with connection, connection.transaction():
        await connection.execute(SQL["one_install_at_a_time"])
        for model in models:
            await _install(connection, model)


async def _install(connection: Connection, model: ReadModel) -> None:
    asked = {"projection": model.name}
    row = await (await connection.execute(SQL["installed"], asked)).fetchone()
    code_version, generation = row or (model.code_version, 1)
    if row is None:
        await tables.create_table(connection, model, generation)
        await tables.create_indexes(connection, model, generation)
        await tables.show(connection, model, generation)
    checkpoint = {**asked, "code_version": code_version, "generation": generation}
    await connection.execute(SQL["add_checkpoints"], checkpoint)
    if code_version != model.code_version:
        log.warning(
            "rows of a read model were made by another version of the code",
            projection=model.name,
            rows=code_version,
            code=model.code_version,
            remedy=f"lending rebuild {model.name}"
            if code_version < model.code_version
            else "upgrade",
        )
