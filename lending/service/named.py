"""What a command names beside its own application: another one, a product, and a calendar with it.

What belongs here: reading them for the rules, and holding the other application still for the lane.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final
from uuid import UUID

from lending.domain.application.commands import Apply, Command, Disburse, MakeOffer
from lending.domain.application.state import Application
from lending.domain.identifiers import is_application_id, shard_of
from lending.domain.products import ProductOnRecord, Products
from lending.domain.servicing.changing import TermsCommand
from lending.domain.servicing.commands import Board, ChangeRate, Redisclose, Refinance, SetTerms
from lending.ledger.submission import EncodedEvent, StreamAppend
from lending.service.aggregates import Aggregate, Aggregates
from lending.service.calendars import business_days

_UNDER_A_PRODUCT: Final = (MakeOffer, Board, SetTerms)
_UNDER_THE_OFFER: Final = (Disburse, Redisclose)


@dataclass(frozen=True, slots=True)
class Named:
    """The application that a command names, as it was read."""

    application_id: UUID
    aggregate: Aggregate

    @property
    def state(self) -> Application | None:
        """What the rules look at; None where there is no such application."""
        return self.aggregate.state if self.aggregate.version else None

    def append(self, events: Sequence[EncodedEvent]) -> StreamAppend:
        """What happens to it, which may be nothing, at the version that was relied on: the command
        conflicts if it moved.
        """
        return StreamAppend(
            application_id=self.application_id,
            expected_version=self.aggregate.version,
            events=events,
        )


async def named_by(
    command: Command, about: UUID, shard: int, aggregates: Aggregates
) -> Named | None:
    """The application that a command about `about` names; None for none, or one that cannot be."""
    other = None
    if isinstance(command, Apply):
        other = command.continues
    elif isinstance(command, Refinance):
        other = command.into
    if other is None or other == about:
        return None
    if not is_application_id(other) or shard_of(other) != shard:
        return None
    loaded = await aggregates.load(other)
    return Named(other, loaded.aggregate)


def names_product(command: Command) -> bool:
    """Whether the command is decided on what the registry says of a product."""
    return isinstance(command, _UNDER_A_PRODUCT) and command.product is not None


def product_of(command: Command, state: Application, products: Products) -> ProductOnRecord | None:
    """The product that a command names: the version it names, else the current one. A change of the
    rate is judged by the version whose terms the loan has, withdrawn or not.
    """
    if isinstance(command, ChangeRate):
        cited = state.product
        return None if cited is None else products.version(cited.name, cited.version)
    if not isinstance(command, _UNDER_A_PRODUCT) or command.product is None:
        return None
    if command.product_version is None:
        return products.current(command.product)
    return products.version(command.product, command.product_version)


def calendar_of(
    command: Command,
    state: Application,
    product: ProductOnRecord | None,
    named: Named | None,
) -> Callable[[date], bool] | None:
    """The business days of the terms that a command puts due dates to; None where all days are."""
    terms = None if product is None else product.product.terms
    if isinstance(command, _UNDER_THE_OFFER):
        terms = None if state.accepted_offer is None else state.accepted_offer.terms
    elif isinstance(command, TermsCommand) and state.loan is not None:
        terms = state.loan.terms
    elif isinstance(command, Refinance) and named is not None and named.state is not None:
        offer = named.state.accepted_offer
        terms = None if offer is None else offer.terms
    if terms is None or terms.holidays is None:
        return None
    return business_days(terms.holidays)
