"""Acts of whoever sits at the shell, on the registry of the ledger that the settings name."""

import getpass
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from lending.runtime.settings import Settings

if TYPE_CHECKING:
    from lending.service.ledger import Ledger
    from lending.service.registry_writing import Operator


@asynccontextmanager
async def acting(settings: Settings) -> AsyncIterator[tuple["Ledger", "Operator"]]:
    """The ledger, opened beside the service, and who acts. Raises OperatorError for a RequestFault."""
    from lending.cli.database import opened_database
    from lending.domain.authority import Principal, PrincipalKind
    from lending.runtime.errors import OperatorError
    from lending.service.ledger import Ledger
    from lending.service.registry_writing import Operator
    from lending.service.requests import RequestFault

    principal = Principal(
        name=getpass.getuser(), kind=PrincipalKind.HUMAN, roles=frozenset(), unrestricted=True
    )
    operator = Operator(principal=principal, correlation_id="lending command line")
    async with (
        opened_database(settings, create=False) as database,
        Ledger.open(database.url, settings) as ledger,
    ):
        try:
            yield ledger, operator
        except RequestFault as fault:
            raise OperatorError(str(fault)) from None
