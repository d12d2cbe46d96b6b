"""Which command is issued where: the one table of command routes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from lending.domain.application import commands as c
from lending.domain.application.commands import Command
from lending.domain.servicing import commands as s

APPLICATIONS: Final = "/loan/applications"
APPLICATION: Final = "/loan/applications/{application_id}"
BULK: Final = "/loan/commands"
OFFER: Final = APPLICATION + "/offers/{offer_id}"
TRANSACTION: Final = APPLICATION + "/transactions/{version}"
TERMS: Final = APPLICATION + "/terms"
DELINQUENCY: Final = APPLICATION + "/delinquency"


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
    CommandRoute(
        OFFER + "/redisclosure", s.Redisclose, "Disclose an accepted offer again", ("offer_id",)
    ),
    CommandRoute(APPLICATION + "/disbursements", c.Disburse, "Disburse the accepted offer"),
    CommandRoute(
        APPLICATION + "/boarding",
        s.Board,
        "Take over a running loan",
        shown=("rate_percent", "instalments"),
    ),
    CommandRoute(APPLICATION + "/loan-terms", s.SetTerms, "Give terms to a loan without any"),
    CommandRoute(TRANSACTION + "/reversal", s.Reverse, "Reverse a transaction", ("version",)),
    CommandRoute(
        APPLICATION + "/repayments", s.Repay, "Record a repayment", shown=("channel", "reference")
    ),
    CommandRoute(APPLICATION + "/recoveries", s.Recover, "Record a recovery"),
    CommandRoute(TRANSACTION + "/charge-back", s.ChargeBack, "Charge a payment back", ("version",)),
    CommandRoute(APPLICATION + "/credit-refunds", s.RefundCredit, "Pay a credit balance back"),
    CommandRoute(APPLICATION + "/charges", s.AssessCharge, "Charge a fee or a penalty"),
    CommandRoute(
        APPLICATION + "/charges/{version}/waiver", s.WaiveCharge, "Waive a charge", ("version",)
    ),
    CommandRoute(APPLICATION + "/interest-waivers", s.WaiveInterest, "Waive interest"),
    CommandRoute(TERMS + "/rate", s.ChangeRate, "Change the rate"),
    CommandRoute(TERMS + "/due-date", s.MoveDueDate, "Move a due date"),
    CommandRoute(TERMS + "/extension", s.Extend, "Add instalments"),
    CommandRoute(TERMS + "/pause", s.Pause, "Leave instalments out: a payment holiday"),
    CommandRoute(TERMS + "/re-aging", s.ReAge, "Owe all that is unpaid in new instalments"),
    CommandRoute(TERMS + "/re-amortisation", s.ReAmortise, "Spread what is overdue"),
    CommandRoute(TERMS + "/capitalisation", s.Capitalise, "Add what is unpaid to principal"),
    CommandRoute(TERMS + "/forgiveness", s.Forgive, "Forgive principal"),
    CommandRoute(DELINQUENCY + "/pause", s.PauseDelinquency, "Pause delinquency"),
    CommandRoute(DELINQUENCY + "/resumption", s.ResumeDelinquency, "Resume delinquency"),
    CommandRoute(APPLICATION + "/charge-off", s.ChargeOff, "Take a loan to loss"),
    CommandRoute(APPLICATION + "/charge-off/undoing", s.UndoChargeOff, "Undo a charge-off"),
    CommandRoute(APPLICATION + "/write-off", s.WriteOff, "Give up all that is owed"),
    CommandRoute(APPLICATION + "/settlement", s.Settle, "Settle a loan for less"),
    CommandRoute(APPLICATION + "/refinancing", s.Refinance, "Refinance into another loan"),
    CommandRoute(APPLICATION + "/transfer", s.Transfer, "Hand a loan over"),
    CommandRoute(APPLICATION + "/closing", s.CloseLoan, "Close a loan"),
    CommandRoute(APPLICATION + "/day-close", s.CloseDay, "Close a loan's day"),
)


def path_of(command: type[Command]) -> str:
    """Where a command is sent."""
    return next(route.path for route in ROUTES if route.command is command)
