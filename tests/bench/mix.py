"""The commands that load the service: one loan from application to payment, each with a key.

What belongs here: the requests, byte for byte, the same for every generator of load. Which command
comes next is told by the version in the answer to the one before.
"""

import json
from typing import Final

APPLICATIONS: Final = "/loan/applications"
APPLICANT: Final = "cust_2002"
"""Stands for the applicant: each application has its own."""
STEPS: Final[tuple[tuple[str, object], ...]] = (
    (
        "",
        {
            "applicant_id": APPLICANT,
            "amount": 12000,
            "term_months": 36,
            "income": 6500,
            "purpose": "a used car",
        },
    ),
    ("/context", {"kind": "verification", "stage": "identity", "source": "registry"}),
    ("/score", {"model": "credit-risk", "model_version": "2026-10", "score": 712}),
    ("/notes", {"text": "called the applicant about the income", "topic": "intake"}),
    ("/decision", None),
    ("/offers", {"amount": 12000, "term_months": 36, "rate_percent": "7.25"}),
    ("/offers/1/acceptance", None),
    ("/notes", {"text": "the signed offer is on file"}),
    ("/disbursements", {"channel": "sepa"}),
)
"""The path behind the application and the body of the command that follows each version."""


def body(step: int) -> str:
    """The body of a step as it is sent but for the applicant; empty where there is none."""
    sent = STEPS[step][1]
    return "" if sent is None else json.dumps(sent)


def request(host: str, path: str, sent: str, key: str, prefer: str = "") -> bytes:
    """A request as it goes over the wire."""
    preferred = f"Prefer: {prefer}\r\n" if prefer else ""
    return (
        f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
        f"{preferred}Idempotency-Key: {key}\r\nContent-Length: {len(sent)}\r\n\r\n{sent}"
    ).encode("ascii")


def path(step: int, application_id: str) -> str:
    """The path of a step."""
    return f"{APPLICATIONS}/{application_id}{STEPS[step][0]}" if step else APPLICATIONS
