"""Why a command does not hold: one closed enum, in the order in which the rules are checked.

A refusal is a value, neither an exception nor a fault. When several apply, the one listed first is
given.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import Final

from lending.domain.application import commands as c
from lending.domain.application.state import Application
from lending.domain.loan.book import PAID
from lending.domain.loan.terms import SCHEDULED_INSTALMENTS_MAX
from lending.domain.servicing import commands as sv
from lending.domain.servicing.state import MAX_ENTRIES

MAX_OFFERS: Final = 100
"""Offers one application may have in its life."""


class Refusal(Enum):
    """A stable code and what it means. The order is the precedence."""

    PRINCIPAL_SUSPENDED = (
        "principal_suspended",
        "Who asks, or on whose behalf, is suspended. Stop, until an admin reinstates it.",
    )
    AUTOMATION_SUSPENDED = (
        "automation_suspended",
        "All automated decisions are suspended. A person can decide.",
    )
    POLICY_SUSPENDED = (
        "policy_suspended",
        "The credit policy is suspended. Decide with an outcome, or wait until it is reinstated.",
    )
    OWN_SCORE = (
        "own_score",
        "Who scored an application does not decide it. Let the policy or somebody else decide.",
    )
    HUMAN_REQUIRED = "human_required", "A decision is overridden by a person only."
    EFFECTIVE_BEFORE_APPLICATION = (
        "effective_before_application",
        "The command would count from before the application was made. "
        "Give a later effective instant.",
    )
    EFFECTIVE_BEFORE_FUNDING = (
        "effective_before_funding",
        "The command would count from before the loan was paid out or taken over. "
        "Give a later effective instant.",
    )
    APPLICATION_EXISTS = "application_exists", "The application exists already."
    APPLICATION_UNKNOWN = "application_unknown", "Nobody has applied under this id. Apply first."
    APPLICATION_ENDED = (
        "application_ended",
        "The application has ended. Open a new one that continues it.",
    )
    APPLICATION_REJECTED = (
        "application_rejected",
        "The application was rejected. Only an override by a person brings it back.",
    )
    ALREADY_DISBURSED = "already_disbursed", "The loan is paid out; origination is over."
    FULLY_DISBURSED = "fully_disbursed", "All of the accepted offer is paid out."
    NOT_FUNDED = "not_funded", "No loan is paid out. Disburse the accepted offer, or board a loan."
    LOAN_HAS_TERMS = "loan_has_terms", "The loan has terms. Change them one by one."
    TERMS_NOT_SET = (
        "terms_not_set",
        "The loan was paid out without terms, so nothing of it can be computed. Set terms first.",
    )
    LOAN_ENDED = (
        "loan_ended",
        "The loan was written off, settled, refinanced or transferred. "
        "Record a recovery, or reverse what ended it.",
    )
    LOAN_CLOSED = (
        "loan_closed",
        "The loan is closed. A reversal, a charge-back or a charge reopens it.",
    )
    NOTHING_OWED = "nothing_owed", "Nothing is owed on the loan."
    NOT_LOST = (
        "not_lost",
        "The loan was not taken to loss, nor has it ended. Record a repayment instead.",
    )
    NOT_CHARGED_OFF = "not_charged_off", "The loan is not charged off."
    NO_CREDIT = "no_credit", "The loan has no credit balance."
    APPLICATION_HELD = "application_held", "The application is held. Release the hold first."
    ALREADY_DECIDED = (
        "already_decided",
        "The application is decided. "
        "A person can override the decision, or a new application continue it.",
    )
    OFFER_ALREADY_ACCEPTED = (
        "offer_already_accepted",
        "The applicant has accepted an offer that stands.",
    )
    NO_ACCEPTED_OFFER = (
        "no_accepted_offer",
        "The applicant has accepted no offer. Make one and have it accepted first.",
    )
    NOT_DECIDED = "not_decided", "The application is not decided. Decide it first."
    NO_OPEN_OFFER = "no_open_offer", "No offer is open. Make one first."
    NOT_HELD = "not_held", "The application is not held for this reason."
    TOO_MANY_OFFERS = "too_many_offers", f"An application has at most {MAX_OFFERS} offers."
    CONTINUED_UNKNOWN = "continued_unknown", "The application to continue does not exist."
    CONTINUED_NOT_ENDED = (
        "continued_not_ended",
        "Only an application that ended as withdrawn, expired or incomplete can be continued.",
    )
    NOTHING_GIVEN = "nothing_given", "The command says nothing to record. Give at least one field."
    OUTCOME_REQUIRED = (
        "outcome_required",
        "A decision with fields needs an outcome. "
        "Send no body at all to let the active policy decide.",
    )
    NO_ACTIVE_POLICY = "no_active_policy", "No credit policy is active. Decide with an outcome."
    FACTS_MISSING = (
        "facts_missing",
        "The policy needs facts that the application lacks. Amend it with them.",
    )
    POLICY_FAULTY = (
        "policy_faulty",
        "The policy gave no answer that could be a decision; the detail says what is wrong with it. "
        "Decide with an outcome, or have another version activated.",
    )
    POLICY_INCOMPLETE = (
        "policy_incomplete",
        "A policy is cited by its name and its version. Give both or neither.",
    )
    CURRENCY_UNKNOWN = "currency_unknown", "The currency is not in ISO 4217, or has no minor unit."
    AMOUNT_NOT_POSITIVE = "amount_not_positive", "The amount must be greater than zero."
    AMOUNT_TOO_FINE = "amount_too_fine", "The amount has more decimal places than its currency."
    CO_APPLICANT_REPEATED = "co_applicant_repeated", "The same person is named twice."
    INFORMATION_NOT_OUTSTANDING = (
        "information_not_outstanding",
        "Some of these items are not outstanding.",
    )
    SCORE_OUT_OF_RANGE = "score_out_of_range", "The score lies outside the range given with it."
    MODEL_NOT_REGISTERED = (
        "model_not_registered",
        "Only scores of registered models count here, and this model is not registered, or with "
        "another artifact. Register it first.",
    )
    MODEL_NOT_VALID = (
        "model_not_valid",
        "The model is withdrawn, or was not valid on the day of the score.",
    )
    DATED_AHEAD = (
        "dated_ahead",
        "What has happened cannot be dated after the day from which the command counts.",
    )
    DATED_BEFORE_APPLICATION = (
        "dated_before_application",
        "A notice about an application cannot be dated before the day it was made, in the ledger's "
        "time zone.",
    )
    DATE_OUT_OF_RANGE = (
        "date_out_of_range",
        "The date lies where it cannot be meant; the detail names the range.",
    )
    CURRENCY_DIFFERS = "currency_differs", "The currencies differ."
    PRODUCT_UNKNOWN = (
        "product_unknown",
        "No product of this name and version is published. Publish it first.",
    )
    PRODUCT_WITHDRAWN = "product_withdrawn", "This version of the product is withdrawn."
    PRODUCT_REQUIRED = (
        "product_required",
        "Instalments and dates of payment belong to the terms of a product. Name one.",
    )
    RATE_NEGATIVE = "rate_negative", "The product allows no rate below zero."
    TERMS_NOT_POSSIBLE = (
        "terms_not_possible",
        "The product allows no loan of these terms; the detail says what is wrong.",
    )
    TERMS_NOT_ALLOWED = (
        "terms_not_allowed",
        "Only an approval or a counter-offer has an amount or a term.",
    )
    COUNTER_OFFER_REQUIRED = (
        "counter_offer_required",
        "Approving other terms than asked for is a counter-offer. Decide counter_offered.",
    )
    COUNTER_TERMS_SAME = (
        "counter_terms_same",
        "A counter-offer needs an amount or a term that differs from what was asked.",
    )
    REASONS_REQUIRED = (
        "reasons_required",
        "A rejection or a counter-offer carries one to four specific reasons.",
    )
    REASONS_NOT_ALLOWED = (
        "reasons_not_allowed",
        "Only a rejection or a counter-offer carries reasons.",
    )
    TOO_MANY_REASONS = (
        "too_many_reasons",
        "A rejection or a counter-offer carries at most four reasons.",
    )
    REASON_REPEATED = "reason_repeated", "A reason is given twice."
    REASON_UNSPECIFIED = (
        "reason_unspecified",
        "The reason 'other' is specified in other_reason, and only it is.",
    )
    REASON_INSUFFICIENT = (
        "reason_insufficient",
        "The creditor's standards, or a score that was missed, are no specific reason. "
        "Say what about the applicant or the collateral failed, as a code of the catalogue or in "
        "words such as 'age of automobile'.",
    )
    REASON_FOR_IMPORT_ONLY = (
        "reason_for_import_only",
        "The reason not_recorded is for imported history: "
        "it needs an effective instant in the past and, of a principal, the role importer.",
    )
    REASON_NOT_SCORED = (
        "reason_not_scored",
        "Where the score said no, the reasons are among the factors of the score on file. "
        "Name those, or what else it failed on in failed_on.",
    )
    ABOVE_AUTHORITY = (
        "above_authority",
        "The amount is above what who asks may approve in this currency.",
    )
    NOTICE_UNFOUNDED = (
        "notice_unfounded",
        "Nothing had happened, by the day of this notice, that it would be about.",
    )
    OFFER_UNKNOWN = "offer_unknown", "The application has no offer of this id."
    OFFER_ID_TAKEN = "offer_id_taken", "The application has had another offer of this id."
    OFFER_NOT_OPEN = "offer_not_open", "The offer is no longer open."
    OFFER_NOT_COVERED = (
        "offer_not_covered",
        "The decision does not cover this offer: an approval covers at most its amount over its term, "
        "a counter-offer exactly its terms. Offer what was decided.",
    )
    OFFER_LAPSED = "offer_lapsed", "The offer's last day has passed. Make a new one."
    OFFER_NOT_LAPSED = (
        "offer_not_lapsed",
        "The offer's last day has not passed. Withdraw it instead.",
    )
    NOT_THE_OFFERED_AMOUNT = (
        "not_the_offered_amount",
        "An accepted offer without terms is paid out whole: the amounts must be equal.",
    )
    ABOVE_THE_OFFER = "above_the_offer", "Less than this is left of the accepted offer."
    FEE_TAKES_ALL = (
        "fee_takes_all",
        "The origination fee is as much as what would be paid out, or more. Pay out more at once.",
    )
    DISCLOSURE_STALE = (
        "disclosure_stale",
        "The annual percentage rate at funding leaves the one disclosed by more than its tolerance. "
        "Redisclose the offer first.",
    )
    ARREARS_OUT_OF_ORDER = (
        "arrears_out_of_order",
        "Arrears come in the order of their due dates, each date once.",
    )
    AMOUNT_IMPLAUSIBLE = (
        "amount_implausible",
        "The amount is more than ten times all that was lent, or applied for: check the decimal point.",
    )
    REFERENCE_REPEATED = (
        "reference_repeated",
        "Money that moved in the same way is on record under this reference. If it is the same, there is"
        " nothing to do.",
    )
    KIND_NOT_ALLOWED = "kind_not_allowed", "No payment of this kind is taken here; see the detail."
    PAYOFF_SHORT = (
        "payoff_short",
        "The amount does not pay the loan off on that day. Ask for a payoff quote.",
    )
    TRANSACTION_UNKNOWN = (
        "transaction_unknown",
        "The loan has no such transaction. Its number is the version of the event that booked it.",
    )
    NOT_REVERSIBLE = "not_reversible", "The transaction cannot be reversed."
    TRANSACTION_REVERSED = "transaction_reversed", "The transaction was reversed already."
    TRANSACTION_IN_USE = (
        "transaction_in_use",
        "Later transactions rest on this one. Reverse those first.",
    )
    NOT_A_PAYMENT = "not_a_payment", "Only a payment can be charged back."
    NOT_A_CHARGE = "not_a_charge", "Only a charge can be adjusted."
    BEFORE_THE_TRANSACTION = (
        "before_the_transaction",
        "The command would count from before the transaction that it is about.",
    )
    ABOVE_THE_PAYMENT = "above_the_payment", "Less than this is left of the payment."
    ABOVE_THE_CHARGE = (
        "above_the_charge",
        "Less than this is left of the charge, after what was waived of it and adjusted before.",
    )
    ABOVE_THE_CREDIT = "above_the_credit", "The credit balance is smaller."
    ABOVE_WHAT_IS_UNPAID = "above_what_is_unpaid", "Less than this is unpaid."
    DUE_DATE_UNKNOWN = "due_date_unknown", "No instalment to come is due on that day."
    NOTHING_TO_COME = "nothing_to_come", "No instalment is to come that this could change."
    TOO_MANY_INSTALMENTS = (
        "too_many_instalments",
        f"A loan has at most {SCHEDULED_INSTALMENTS_MAX} instalments.",
    )
    DELINQUENCY_NOT_PAUSED = "delinquency_not_paused", "Delinquency is not paused."
    LATER_TRANSACTIONS = (
        "later_transactions",
        "Transactions count from later days than this would. Give a later effective instant.",
    )
    NOTHING_TO_SETTLE = "nothing_to_settle", "The payment leaves nothing to give up. Repay instead."
    BALANCE_NOT_ZERO = "balance_not_zero", "Something is owed, one way or the other."
    REFINANCING_INTO_ITSELF = (
        "refinancing_into_itself",
        "The application to refinance into is that of this very loan. Name another one.",
    )
    REFINANCING_UNKNOWN = "refinancing_unknown", "The application to refinance into does not exist."
    REFINANCING_OF_OTHERS = (
        "refinancing_of_others",
        "Nobody who owes this loan applied for the other one, alone or jointly. "
        "Have one of them apply.",
    )
    REFINANCING_NOT_READY = (
        "refinancing_not_ready",
        "The application to refinance into has no accepted offer with terms that can be paid out.",
    )
    REFINANCING_TOO_SMALL = (
        "refinancing_too_small",
        "The other loan would pay out less than pays this one off.",
    )
    TOO_MANY_TRANSACTIONS = (
        "too_many_transactions",
        f"A loan has at most {MAX_ENTRIES} transactions.",
    )
    SUBJECT_ERASED = (
        "subject_erased",
        "The command would record personal data of somebody whose data were erased. "
        "Leave out what is personal, or open a new application.",
    )

    __hash__ = object.__hash__  # there is one of each; by name, as Enum has it, takes far longer

    def __init__(self, code: str, meaning: str) -> None:
        self.code = code
        self.meaning = meaning

    @property
    def of_authority(self) -> bool:
        """Whether it is about who asks or what is suspended, rather than about the application."""
        return self in OF_AUTHORITY


OF_AUTHORITY: Final = frozenset(
    {
        Refusal.PRINCIPAL_SUSPENDED,
        Refusal.AUTOMATION_SUSPENDED,
        Refusal.POLICY_SUSPENDED,
        Refusal.OWN_SCORE,
        Refusal.HUMAN_REQUIRED,
        Refusal.ABOVE_AUTHORITY,
    }
)
"""The refusals that are about who asks or what is suspended."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The answer to a command that does not hold.

    `detail` names what in particular, never anything personal.
    """

    refusal: Refusal
    detail: str = ""


def _acceptance_stands(state: Application) -> bool:
    return state.accepted_offer is not None and (state.covered or not state.decided)


STATE_CHECKS: Final[Mapping[Refusal, Callable[[Application], bool]]] = MappingProxyType(
    {
        Refusal.APPLICATION_EXISTS: lambda s: s.exists,
        Refusal.APPLICATION_UNKNOWN: lambda s: not s.exists,
        Refusal.APPLICATION_ENDED: lambda s: s.ending is not None,
        Refusal.APPLICATION_REJECTED: lambda s: s.rejected,
        Refusal.ALREADY_DISBURSED: lambda s: s.loan is not None,
        Refusal.FULLY_DISBURSED: lambda s: s.loan is not None and s.undisbursed <= 0,
        Refusal.NOT_FUNDED: lambda s: s.loan is None,
        Refusal.LOAN_HAS_TERMS: lambda s: s.loan is not None and s.loan.terms is not None,
        Refusal.TERMS_NOT_SET: lambda s: s.loan is not None and s.loan.terms is None,
        Refusal.LOAN_ENDED: lambda s: s.loan is not None and s.loan.ended,
        Refusal.LOAN_CLOSED: lambda s: s.loan is not None and s.loan.closed,
        Refusal.NOTHING_OWED: lambda s: s.loan is not None and s.loan.status in PAID,
        Refusal.NOT_LOST: lambda s: s.loan is not None and not s.loan.off_the_books,
        Refusal.NOT_CHARGED_OFF: lambda s: s.loan is not None and s.loan.charge_off is None,
        Refusal.NO_CREDIT: lambda s: s.loan is not None and s.loan.credit <= 0,
        Refusal.APPLICATION_HELD: lambda s: bool(s.holds),
        Refusal.ALREADY_DECIDED: lambda s: s.decided,
        Refusal.OFFER_ALREADY_ACCEPTED: _acceptance_stands,
        Refusal.NO_ACCEPTED_OFFER: lambda s: s.accepted_offer is None,
        Refusal.NOT_DECIDED: lambda s: s.decision is None,
        Refusal.NO_OPEN_OFFER: lambda s: not s.open_offers(),
        Refusal.NOT_HELD: lambda s: not s.holds,
        Refusal.TOO_MANY_OFFERS: lambda s: len(s.offers) >= MAX_OFFERS,
        Refusal.OFFER_NOT_COVERED: lambda s: not s.covered,
    }
)
"""The refusals that depend on the state alone: what `allowed_commands` is made of."""

_R = Refusal
_ENDED = (_R.APPLICATION_UNKNOWN, _R.APPLICATION_ENDED)
_OVER = (*_ENDED, _R.APPLICATION_REJECTED, _R.ALREADY_DISBURSED)
_UNDECIDED = (*_OVER, _R.ALREADY_DECIDED)
_SERVICED = (_R.APPLICATION_UNKNOWN, _R.NOT_FUNDED, _R.TERMS_NOT_SET)
_RUNNING = (*_SERVICED, _R.LOAN_ENDED, _R.LOAN_CLOSED)
_OWED = (*_RUNNING, _R.NOTHING_OWED)
_ON_OFFER = (*_OVER, _R.NO_OPEN_OFFER)

FORBIDDEN_BY: Final[Mapping[type[c.Command], tuple[Refusal, ...]]] = MappingProxyType(
    {
        c.Apply: (_R.APPLICATION_EXISTS,),
        c.Amend: _UNDECIDED,
        c.AttachContext: _ENDED,
        c.RequestInformation: _UNDECIDED,
        c.SupplyInformation: (*_ENDED, _R.ALREADY_DISBURSED),
        c.Score: (*_ENDED, _R.ALREADY_DISBURSED),
        c.Decide: (*_OVER, _R.APPLICATION_HELD, _R.ALREADY_DECIDED),
        c.Override: (*_ENDED, _R.ALREADY_DISBURSED, _R.APPLICATION_HELD, _R.NOT_DECIDED),
        c.RecordNotice: (_R.APPLICATION_UNKNOWN,),
        c.AddNote: (_R.APPLICATION_UNKNOWN,),
        c.Hold: _ENDED,
        c.Release: (_R.APPLICATION_UNKNOWN, _R.NOT_HELD),
        c.Withdraw: _OVER,
        c.CloseUnfunded: _OVER,
        c.MakeOffer: (
            *_OVER,
            _R.APPLICATION_HELD,
            _R.OFFER_ALREADY_ACCEPTED,
            _R.TOO_MANY_OFFERS,
        ),
        c.ReturnOffer: _ON_OFFER,
        c.AcceptOffer: (
            *_OVER,
            _R.APPLICATION_HELD,
            _R.OFFER_ALREADY_ACCEPTED,
            _R.NO_OPEN_OFFER,
        ),
        c.RefuseOffer: _ON_OFFER,
        c.WithdrawOffer: _ON_OFFER,
        c.ExpireOffer: _ON_OFFER,
        c.Disburse: (
            *_ENDED,
            _R.APPLICATION_REJECTED,
            _R.FULLY_DISBURSED,
            _R.APPLICATION_HELD,
            _R.NO_ACCEPTED_OFFER,
            _R.NOT_DECIDED,
            _R.OFFER_NOT_COVERED,
        ),
        sv.Redisclose: (*_OVER, _R.NO_ACCEPTED_OFFER),
        sv.Board: (*_OVER, _R.APPLICATION_HELD, _R.NOT_DECIDED),
        sv.SetTerms: (_R.APPLICATION_UNKNOWN, _R.NOT_FUNDED, _R.LOAN_HAS_TERMS),
        sv.Reverse: (_R.APPLICATION_UNKNOWN, _R.NOT_FUNDED),
        sv.Repay: _RUNNING,
        sv.Recover: (*_SERVICED, _R.NOT_LOST),
        sv.ChargeBack: _SERVICED,
        sv.RefundCredit: (*_SERVICED, _R.NO_CREDIT),
        sv.AssessCharge: (*_SERVICED, _R.LOAN_ENDED),
        sv.WaiveCharge: _RUNNING,
        sv.WaiveInterest: _RUNNING,
        sv.ChangeRate: _OWED,
        sv.MoveDueDate: _OWED,
        sv.Extend: _OWED,
        sv.Pause: _OWED,
        sv.ReAge: _OWED,
        sv.ReAmortise: _OWED,
        sv.Capitalise: _OWED,
        sv.Forgive: _OWED,
        sv.PauseDelinquency: _OWED,
        sv.ResumeDelinquency: _OWED,
        sv.ChargeOff: _OWED,
        sv.UndoChargeOff: (*_SERVICED, _R.LOAN_ENDED, _R.NOT_CHARGED_OFF),
        sv.WriteOff: _OWED,
        sv.Settle: _OWED,
        sv.Refinance: _OWED,
        sv.Transfer: _OWED,
        sv.CloseLoan: (*_SERVICED, _R.LOAN_ENDED),
        sv.CloseDay: (_R.APPLICATION_UNKNOWN,),
    }
)
"""For each command, in order of precedence, the states in which no command of its kind holds."""


def forbidden(command: type[c.Command], state: Application) -> Refusal | None:
    """The first refusal that every command of this kind meets in this state, if any."""
    for refusal in FORBIDDEN_BY[command]:
        if STATE_CHECKS[refusal](state):
            return refusal
    return None
