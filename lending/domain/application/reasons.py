"""Specific reasons for adverse action: the list of Form C-1 and others that lenders use, as data. What
is no specific reason is in insufficient.py.

Source: Regulation B, 12 CFR 1002, Appendix C, Form C-1 (Part I, principal reasons); 1002.9(b)(2).
"""

import re
from collections.abc import Iterable, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class Reason(StrEnum):
    """Why credit was denied or offered on other terms."""

    CREDIT_APPLICATION_INCOMPLETE = "credit_application_incomplete"
    INSUFFICIENT_CREDIT_REFERENCES = "insufficient_credit_references"
    UNACCEPTABLE_CREDIT_REFERENCES = "unacceptable_credit_references"
    UNABLE_TO_VERIFY_CREDIT_REFERENCES = "unable_to_verify_credit_references"
    TEMPORARY_OR_IRREGULAR_EMPLOYMENT = "temporary_or_irregular_employment"
    UNABLE_TO_VERIFY_EMPLOYMENT = "unable_to_verify_employment"
    LENGTH_OF_EMPLOYMENT = "length_of_employment"
    INCOME_INSUFFICIENT = "income_insufficient"
    EXCESSIVE_OBLIGATIONS = "excessive_obligations"
    UNABLE_TO_VERIFY_INCOME = "unable_to_verify_income"
    LENGTH_OF_RESIDENCE = "length_of_residence"
    TEMPORARY_RESIDENCE = "temporary_residence"
    UNABLE_TO_VERIFY_RESIDENCE = "unable_to_verify_residence"
    NO_CREDIT_FILE = "no_credit_file"
    LIMITED_CREDIT_EXPERIENCE = "limited_credit_experience"
    POOR_CREDIT_PERFORMANCE_WITH_US = "poor_credit_performance_with_us"
    DELINQUENT_CREDIT_OBLIGATIONS = "delinquent_credit_obligations"
    COLLECTION_ACTION_OR_JUDGMENT = "collection_action_or_judgment"
    GARNISHMENT_OR_ATTACHMENT = "garnishment_or_attachment"
    FORECLOSURE_OR_REPOSSESSION = "foreclosure_or_repossession"
    BANKRUPTCY = "bankruptcy"
    RECENT_INQUIRIES = "recent_inquiries"
    COLLATERAL_NOT_SUFFICIENT = "collateral_not_sufficient"
    AMOUNT_OWED = "amount_owed"
    BALANCES_TO_LIMITS = "balances_to_limits"
    RECENT_ACCOUNTS = "recent_accounts"
    LENGTH_OF_CREDIT_HISTORY = "length_of_credit_history"
    UNVERIFIABLE_INFORMATION = "unverifiable_information"
    INSUFFICIENT_CASH = "insufficient_cash"
    MORTGAGE_INSURANCE_DENIED = "mortgage_insurance_denied"
    OTHER = "other"
    NOT_RECORDED = "not_recorded"


MAX_REASONS: Final = 4
"""More than four reasons are not likely to help the applicant (12 CFR 1002.9(b)(2), comment 1)."""

REASON_TEXTS: Final[Mapping[Reason, str]] = MappingProxyType(
    {
        Reason.CREDIT_APPLICATION_INCOMPLETE: "credit application incomplete",
        Reason.INSUFFICIENT_CREDIT_REFERENCES: "insufficient number of credit references provided",
        Reason.UNACCEPTABLE_CREDIT_REFERENCES: "unacceptable type of credit references provided",
        Reason.UNABLE_TO_VERIFY_CREDIT_REFERENCES: "unable to verify credit references",
        Reason.TEMPORARY_OR_IRREGULAR_EMPLOYMENT: "temporary or irregular employment",
        Reason.UNABLE_TO_VERIFY_EMPLOYMENT: "unable to verify employment",
        Reason.LENGTH_OF_EMPLOYMENT: "length of employment",
        Reason.INCOME_INSUFFICIENT: "income insufficient for amount of credit requested",
        Reason.EXCESSIVE_OBLIGATIONS: "excessive obligations in relation to income",
        Reason.UNABLE_TO_VERIFY_INCOME: "unable to verify income",
        Reason.LENGTH_OF_RESIDENCE: "length of residence",
        Reason.TEMPORARY_RESIDENCE: "temporary residence",
        Reason.UNABLE_TO_VERIFY_RESIDENCE: "unable to verify residence",
        Reason.NO_CREDIT_FILE: "no credit file",
        Reason.LIMITED_CREDIT_EXPERIENCE: "limited credit experience",
        Reason.POOR_CREDIT_PERFORMANCE_WITH_US: "poor credit performance with us",
        Reason.DELINQUENT_CREDIT_OBLIGATIONS: (
            "delinquent past or present credit obligations with others"
        ),
        Reason.COLLECTION_ACTION_OR_JUDGMENT: "collection action or judgment",
        Reason.GARNISHMENT_OR_ATTACHMENT: "garnishment or attachment",
        Reason.FORECLOSURE_OR_REPOSSESSION: "foreclosure or repossession",
        Reason.BANKRUPTCY: "bankruptcy",
        Reason.RECENT_INQUIRIES: "number of recent inquiries on credit bureau report",
        Reason.COLLATERAL_NOT_SUFFICIENT: "value or type of collateral not sufficient",
        Reason.AMOUNT_OWED: "amount owed on accounts",
        Reason.BALANCES_TO_LIMITS: "proportion of balances to credit limits",
        Reason.RECENT_ACCOUNTS: "number of accounts recently opened",
        Reason.LENGTH_OF_CREDIT_HISTORY: "length of credit history",
        Reason.UNVERIFIABLE_INFORMATION: "unable to verify information provided",
        Reason.INSUFFICIENT_CASH: "insufficient cash for the down payment or closing costs",
        Reason.MORTGAGE_INSURANCE_DENIED: "mortgage insurance denied",
        Reason.OTHER: "other, as specified",
        Reason.NOT_RECORDED: "not recorded in the source of an import",
    }
)
"""The wording that the applicant reads."""

LENDERS_REASONS: Final[Mapping[Reason, str]] = MappingProxyType(
    {
        **dict.fromkeys(
            (
                Reason.AMOUNT_OWED,
                Reason.BALANCES_TO_LIMITS,
                Reason.RECENT_ACCOUNTS,
                Reason.LENGTH_OF_CREDIT_HISTORY,
            ),
            "factor of credit scores",
        ),
        **dict.fromkeys(
            (
                Reason.UNVERIFIABLE_INFORMATION,
                Reason.INSUFFICIENT_CASH,
                Reason.MORTGAGE_INSURANCE_DENIED,
            ),
            "reason for denial of Regulation C",
        ),
        Reason.NOT_RECORDED: "imports only",
    }
)
"""The reasons that are not on Form C-1, and where they come from."""

_NO_WORD: Final = re.compile(r"[^a-z0-9]+")


def among_factors(reason: Reason, other: str | None, factors: Iterable[str]) -> bool:
    """Whether a score names the reason among its factors: by code, or by the wording of it.

    The reason `other` is what `other` says. Case and punctuation do not count.
    """
    scored = {_words(factor) for factor in factors}
    if reason is Reason.OTHER:
        return other is not None and _words(other) in scored
    return not scored.isdisjoint({_words(REASON_TEXTS[reason]), _words(reason)})


def _words(text: str) -> str:
    return _NO_WORD.sub(" ", text.casefold()).strip()
