"""Limits of looking after persons' data, each with its unit in its name.

What belongs here: numbers as in `lending.runtime.limits`, which only the service uses.
"""

from typing import Final

# -- persons' data ------------------------------------------------------------------------------

SUBJECT_HOLDS_MAX: Final = 10_000
"""Legal holds that stand at the same time."""

SUBJECT_APPLICATIONS_MAX: Final = 1_000
"""Applications of one person that are erased together."""

ERASURES_UNDER_WAY_MAX: Final = 1_000
"""Erasures on record whose keys are still to be destroyed; then no further one is begun."""

ACCESS_QUEUE_MAX: Final = 1_000
"""Reads of personal data that wait to be recorded; more are answered 503."""

ACCESS_BATCH_MAX: Final = 500
"""Reads of personal data that are recorded in one transaction."""

ACCESS_WAIT_SECONDS: Final = 2.0
"""How long an auditor's answer waits until its read is recorded; then it is answered 503."""

ERASURE_WAIT_SECONDS: Final = 60
"""How long an erasure waits for the read models before it is left to be taken up again."""

ERASURE_REQUEST_SECONDS: Final = 5
"""How long a request to erase waits for the read models before it is answered 503."""

ERASURE_POLL_SECONDS: Final = 0.1
"""How often it is looked whether the read models have passed an erasure."""
