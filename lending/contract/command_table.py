"""Which command is issued where: the one table of command routes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from lending.domain.application import commands as c
from lending.domain.application.commands import Command

APPLICATIONS: Final = "/loan/applications"
APPLICATION: Final = "/loan/applications/{application_id}"
BULK: Final = "/loan/commands"
OFFER: Final = APPLICATION + "/offers/{offer_id}"


@dataclass(frozen=True, slots=True)
class CommandRoute:
    """A command's path, what it does in a few words, its fields that are in the path, the optional
    fields its example shows, and an example where that will not do.
    """

    path: str
    command: type[Command]
    summary: str
    in_path: Sequence[str] = ()
    shown: Sequence[str] = ()
    example: Mapping[str, object] | None = None

    @property
    def opens(self) -> bool:
        """Whether it opens an application rather than acting on one."""
        return self.command is c.Apply

    @property
    def moves_money(self) -> bool:
        """Whether it needs an idempotency key."""
        return self.command in c.MOVES_MONEY


ROUTES: Final[Sequence[CommandRoute]] = (
    CommandRoute(APPLICATIONS, c.Apply, "Apply for a loan", shown=("term_months", "income")),
    CommandRoute(
        APPLICATION + "/amendments", c.Amend, "Amend an application", shown=("term_months",)
    ),
    CommandRoute(APPLICATION + "/context", c.AttachContext, "Attach context", shown=("facts",)),
    CommandRoute(
        APPLICATION + "/information-requests", c.RequestInformation, "Ask for what is missing"
    ),
    CommandRoute(APPLICATION + "/information", c.SupplyInformation, "Record what came in"),
    CommandRoute(APPLICATION + "/score", c.Score, "Record a score"),
    CommandRoute(
        APPLICATION + "/decision",
        c.Decide,
        "Decide; without a body the active policy decides",
        example=MappingProxyType({"outcome": "rejected", "reasons": ["excessive_obligations"]}),
    ),
    CommandRoute(APPLICATION + "/override", c.Override, "Override a decision"),
    CommandRoute(APPLICATION + "/notices", c.RecordNotice, "Record that a notice was sent"),
    CommandRoute(APPLICATION + "/notes", c.AddNote, "Put a note on file"),
    CommandRoute(APPLICATION + "/holds", c.Hold, "Hold an application"),
    CommandRoute(APPLICATION + "/holds/{kind}/release", c.Release, "Release a hold", ("kind",)),
    CommandRoute(APPLICATION + "/withdrawal", c.Withdraw, "Withdraw an application"),
    CommandRoute(APPLICATION + "/closure", c.CloseUnfunded, "Close an application unfunded"),
    CommandRoute(
        APPLICATION + "/offers", c.MakeOffer, "Make an offer", shown=("term_months", "rate_percent")
    ),
    CommandRoute(OFFER + "/return", c.ReturnOffer, "Record a signed offer", ("offer_id",)),
    CommandRoute(OFFER + "/acceptance", c.AcceptOffer, "Accept an offer", ("offer_id",)),
    CommandRoute(OFFER + "/refusal", c.RefuseOffer, "Refuse an offer", ("offer_id",)),
    CommandRoute(OFFER + "/withdrawal", c.WithdrawOffer, "Withdraw an offer", ("offer_id",)),
    CommandRoute(OFFER + "/expiry", c.ExpireOffer, "Record that an offer expired", ("offer_id",)),
    CommandRoute(APPLICATION + "/disbursements", c.Disburse, "Disburse the accepted offer"),
)
