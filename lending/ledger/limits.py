"""Limits of the transparency log, each with its unit in its name; the others are the runtime's.

What belongs here: numbers that bound sealing and publishing and are no setting.
"""

from typing import Final

# -- the transparency log -----------------------------------------------------------------------

SEALING_BATCH_MAX_EVENTS: Final = 16_384
"""Leaves that one checkpoint adds to the tree."""

SEALING_PAUSE_SECONDS: Final = 0.6
"""The shortest time from one checkpoint to the next while the log grows slowly: what bounds both
the age of an event that is not sealed yet and the number of checkpoints."""

CHECKPOINTS_TURN_MAX: Final = 100
"""Checkpoints that a worker publishes in one place before it says how far it has come."""

CHECKPOINTS_LEASE_SECONDS: Final = 16
"""How long a worker that publishes in one place keeps others from it without saying anything."""

CHECKPOINTS_POST_SECONDS: Final = 6
"""How long posting one checkpoint may take."""

CHECKPOINTS_RETRY_LONGEST_SECONDS: Final = 60.0
"""The longest pause before a checkpoint that could not be published is tried again."""

CHECKPOINTS_TAIL_BYTES: Final = 1024 * 1024
"""How much of the end of a file of checkpoints is read to find the last one; all of it where that
does not do."""

CHECKPOINT_NOTE_MAX_BYTES: Final = 16 * 1024
"""The longest note of a checkpoint that is read from outside."""

HISTORY_RECHECK_SECONDS: Final = 2.0
"""How long a service that appends nothing, as this may not be the log that it was, waits before it
looks again."""

SIGNING_OVERLAP_MAX_SECONDS: Final = 366 * 24 * 3600
"""How long a signing key may go on signing beside the one that replaced it."""
