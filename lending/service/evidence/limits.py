"""Limits of evidence, each with its unit in its name.

What belongs here: numbers as in `lending.runtime.limits`, of what one file of evidence may hold.
"""

from typing import Final

# -- evidence -----------------------------------------------------------------------------------

EVIDENCE_MAX_EVENTS: Final = 10_000
"""Events of an application that one file of evidence holds."""

EVIDENCE_MAX_RECORDS: Final = 2_000
"""Events of the registry that one file of evidence holds."""

EVIDENCE_MAX_BYTES: Final = 64 * 1024 * 1024
"""How large a file of evidence may be."""

EVIDENCE_AT_ONCE_MAX: Final = 2
"""Files of evidence that one process makes at a time; others wait."""

EVIDENCE_PROOFS_AT_ONCE: Final = 500
"""Proofs whose hashes are read with one statement."""

EVIDENCE_SEALING_WAIT_SECONDS: Final = 5.0
"""How long evidence waits for the newest events of the application to be sealed; then it is
answered 503."""

EVIDENCE_SEALING_POLL_SECONDS: Final = 0.1
"""How often it is looked whether they are."""
