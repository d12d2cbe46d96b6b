"""How long and how hard to be cruel, from the environment: CHAOS_SEED, CHAOS_SECONDS, CHAOS_COMMANDS.

What belongs here: what the processes of one run must agree on.
"""

import os
import secrets
from dataclasses import dataclass
from typing import Self

CLIENTS: int = 4
"""Processes that write."""
SESSIONS: int = 10
"""Commands each of them has under way at most."""
SHARED_APPLICATIONS: int = 48
"""Applications that every client writes to; the first few of them most of the time."""
HOT_APPLICATIONS: int = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """One run. The seed fixes what is done in which order, not when exactly it falls."""

    seed: int
    seconds: float
    commands: int

    @classmethod
    def from_environment(cls) -> Self:
        """Read the environment; without a seed a new one is drawn."""
        return cls(
            seed=int(os.environ.get("CHAOS_SEED", "0")) or secrets.randbelow(10**6) + 1,
            seconds=float(os.environ.get("CHAOS_SECONDS", "200")),
            commands=int(os.environ.get("CHAOS_COMMANDS", "24000")),
        )
