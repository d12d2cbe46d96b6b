"""The product under which the mortgages are boarded: a mortgage of fixed rate and level payment."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

NAME: Final = "fannie-mae-mortgage"
VERSION: Final = "1"
CURRENCY: Final = "USD"
_PRINCIPAL_FIRST: Final = (
    "in_advance_principal",
    "past_due_penalty",
    "past_due_fee",
    "past_due_interest",
    "past_due_principal",
    "due_penalty",
    "due_fee",
    "due_interest",
    "due_principal",
    "in_advance_penalty",
    "in_advance_fee",
    "in_advance_interest",
)

PRODUCT: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "name": NAME,
        "version": VERSION,
        "terms": {
            "currency": CURRENCY,
            "rate_percent": "6.5",
            "instalments": 360,
            "interest_basis": "scheduled",
            "interest_rounding": "half_up",
            "payment_rules": [
                {"prepayment": "next"},
                {
                    "kind": "prepayment",
                    "prepayment": "keep_instalment",
                    "order": list(_PRINCIPAL_FIRST),
                },
            ],
        },
        "instalments_min": 1,
        "instalments_max": 600,
        "rate_percent_min": "0",
        "rate_percent_max": "20",
    }
)
"""Late instalments keep their scheduled interest; level payments ahead pay instalments to come; a
curtailment lowers principal at once and leaves the instalment as it is.
"""
