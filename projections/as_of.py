"""A loan as it stood at the end of a day, by what is on record now: what its row in `loans` said then.

What belongs here: what reports ask of days before a loan's last transaction, of which the read models
hold nothing; it is folded from the log.
"""

import secrets
from datetime import date
from typing import Any, cast
from uuid import UUID

from lending.domain.application.events import Event
from lending.domain.application.evolve import evolve
from lending.domain.application.state import INITIAL, Application
from lending.domain.loan.book import LoanStatus
from lending.domain.loan.delinquency import delinquency
from lending.domain.loan.engine import replay
from lending.domain.servicing.state import Loan
from lending.domain.servicing.statement import standing_on
from lending.ledger.codec import Codec
from lending.ledger.sealing import MasterKey
from lending.runtime.postgres import Connection
from projections.folding import Unfoldable
from projections.loans.projection import standing
from projections.model import Happened, Row, Unreadable
from projections.reading import LogReader


class Past:
    """Says of loans of a shard how they stood, over one connection."""

    def __init__(self, connection: Connection, shard: int) -> None:
        nothing = MasterKey(secrets.token_bytes(32), secrets.token_bytes)  # no field is opened
        self._reader = LogReader(
            connection, shard, codec=Codec(), master=nothing, places=frozenset()
        )

    async def row(self, application_id: UUID, upto: int, on: date) -> Row:
        """The columns of `loans` and of `delinquency()` at the end of a day, by the log up to a
        position. Raises Unfoldable.
        """
        state, page = INITIAL, list[Happened]()
        async for page in self._reader.streams([application_id], upto):
            for happened in page:
                state = _after(state, happened)
        if state.loan is None:
            raise Unfoldable(f"application {application_id} has no loan")
        loan = _by(state.loan, on)
        return {**standing(state._replace(loan=loan)), **_late(loan, on)}


def _after(state: Application, happened: Happened) -> Application:
    if isinstance(happened.event, Unreadable):
        raise Unfoldable(happened.event.error)
    return evolve(state, cast(Event, happened.event), happened)


def _by(loan: Loan, on: date) -> Loan:
    """The loan at the end of a day, without what came later."""
    return standing_on(loan, on)._replace(
        entries=tuple(one for one in loan.entries if one.on <= on), closed=False
    )


def _late(loan: Loan, on: date) -> dict[str, Any]:
    """The arrears, of a loan that was active."""
    if loan.terms is None or loan.status is not LoanStatus.ACTIVE:
        return dict.fromkeys(("since", "past_due_days", "delinquent_days", "bucket", "amount"))
    return delinquency(loan.terms, replay(loan.terms, loan.entries, on))._asdict()
