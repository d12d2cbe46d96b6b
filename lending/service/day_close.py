"""The end of a day over all loans: interest into the journal, late fees, offers that have expired.

Each application is closed by a command of its own, `close_day`, which does nothing where all is booked;
so a run that was cut short is simply run again, and one that is run twice books nothing twice. The
command closes the days before it that were left out too; of an application with many of those it is
sent again until it has done so.
"""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from lending.domain.application.events import OfferExpired
from lending.domain.authority import Principal
from lending.domain.servicing.commands import CloseDay
from lending.domain.servicing.day_close import EVENTS_MAX
from lending.domain.servicing.events import ChargeAssessed, ChargedOff, InterestAccrued, WrittenOff
from lending.runtime import limits
from lending.runtime.errors import OperatorError
from lending.service.authority import FIRST_SHARD
from lending.service.bulk import BulkHandler
from lending.service.bulk_work import Answered, BulkCommand
from lending.service.listing import Listing
from lending.service.requests import CommandAnswer, CommandRequest

_LAST: Final = time(23, 59, 59, 999_999)
_MOMENT: Final = timedelta(microseconds=1)


class DayNotOver(OperatorError):
    """The day has not come yet."""


class ReadModelBehind(OperatorError):
    """The read model that says which loans there are does not keep up. Run the worker, then try again."""


@dataclass(slots=True)
class DayClosed:
    """What came of closing a day; amounts of late fees by currency."""

    applications: int = 0
    accruals: int = 0
    late_fees: int = 0
    losses: int = 0
    late_fee_amounts: dict[str, Decimal] = field(default_factory=dict)
    expired_offers: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)

    def count(self, answer: Answered) -> None:
        """Count what came of one application."""
        self.applications += 1
        self.count_more(answer)

    def count_more(self, answer: Answered) -> None:
        """Count what came of a command."""
        if not isinstance(answer, CommandAnswer):
            self.failed[type(answer).__name__] += 1
            return
        if answer.refused is not None:
            self.refused[answer.refused.refusal.code] += 1
        for _, event in answer.events:
            self._count(event, answer.state.currency)

    def _count(self, event: object, currency: str) -> None:
        match event:
            case InterestAccrued():
                self.accruals += 1
            case ChargedOff() | WrittenOff():
                self.losses += 1
            case OfferExpired():
                self.expired_offers += 1
            case ChargeAssessed(amount=amount):
                self.late_fees += 1
                before = self.late_fee_amounts.get(currency, Decimal(0))
                self.late_fee_amounts[currency] = before + amount
            case _:
                pass


class DayClose:
    """Closes days of one ledger."""

    def __init__(
        self,
        *,
        listing: Listing,
        handler: BulkHandler,
        zone: ZoneInfo,
        clock: Callable[[], datetime],
    ) -> None:
        self._listing = listing
        self._handler = handler
        self._zone = zone
        self._clock = clock

    async def count(self, day: date, head: int) -> int:
        """How many applications there are to look at, once the read model has come to `head`.

        Raises DayNotOver, ReadModelBehind.
        """
        wait = limits.FRESHNESS_WAIT_MAX_SECONDS
        if not await self._listing.reached(FIRST_SHARD, head, wait):
            raise ReadModelBehind("the read model loan_applications is behind; start the worker")
        return await self._listing.count_to_close(FIRST_SHARD, self._instant(day))

    async def close(
        self, day: date, principal: Principal, correlation_id: str, path: str
    ) -> AsyncIterator[DayClosed]:
        """Close a day, a page of applications at a time; what has come of it so far, after each.

        `path` is where the command is sent over HTTP. Raises DayNotOver.
        """
        at = self._instant(day)
        done, after = DayClosed(), UUID(int=0)
        while page := await self._listing.to_close(
            FIRST_SHARD, at, after=after, limit=limits.DAY_CLOSE_PAGE
        ):
            commands = [_command(one, at, principal, correlation_id, path) for one in page]
            answers = await self._handler.handle_all(commands)
            for answer in answers:
                done.count(answer)
            await self._go_on(done, commands, answers)
            after = page[-1]
            yield done

    async def _go_on(
        self, done: DayClosed, commands: Sequence[BulkCommand], answers: Sequence[Answered]
    ) -> None:
        """Send again what may have left days unclosed."""
        while commands := [
            command
            for command, answer in zip(commands, answers, strict=True)
            if isinstance(answer, CommandAnswer) and len(answer.events) >= EVENTS_MAX
        ]:
            answers = await self._handler.handle_all(commands)
            for answer in answers:
                done.count_more(answer)

    def _instant(self, day: date) -> datetime:
        """The instant from which closing counts: the day's last one, or now, on the day itself."""
        now = self._clock()
        today = now.astimezone(self._zone).date()
        if day > today:
            raise DayNotOver(f"{day} has not come: today is {today} in {self._zone.key}")
        if day == today:
            return now - _MOMENT
        return datetime.combine(day, _LAST, self._zone)


def _command(
    application_id: UUID, at: datetime, principal: Principal, correlation_id: str, path: str
) -> BulkCommand:
    request = CommandRequest(
        command=CloseDay(),
        application_id=application_id,
        method="POST",
        path=path.format(application_id=application_id),
        sent=(),
        correlation_id=correlation_id,
        principal=principal,
        effective_at=at,
        minimal=True,
    )
    return BulkCommand(request=request)
