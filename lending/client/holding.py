"""What is common to holding claims, whoever does the I/O: which are held, when to renew, what is lost."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from lending.client.answers import Claim
from lending.client.conversations import Conversations
from lending.client.errors import ClaimLost, LedgerError, Problem
from lending.client.retrying import timed
from lending.client.wire import Talk

RENEWALS_PER_TERM: Final = 3
_RENEW_AT_LEAST_EVERY_SECONDS: Final = 0.05


class Holding:
    """Claims that are held inside a block.

    A claim's end is counted from when it was asked for, which is before the ledger counts from: by
    our clock a claim is over a little earlier than by the ledger's, never later.
    """

    def __init__(
        self,
        conversations: Conversations,
        claims: Sequence[Claim],
        seconds: int | None,
        asked_at: float,
    ) -> None:
        self._conversations = conversations
        self._seconds = seconds
        self._clock = conversations.manner.clock
        self._held = {claim.claim_id: claim for claim in claims}
        self._terms = {
            claim.claim_id: (claim.expires_at - claim.claimed_at).total_seconds()
            for claim in claims
        }
        self._until = {claim_id: asked_at + term for claim_id, term in self._terms.items()}
        self.claims = claims

    @classmethod
    def take(
        cls, conversations: Conversations, role: str, limit: int, seconds: int | None
    ) -> Talk["Holding"]:
        """Claim the oldest tasks of a role."""
        claiming = conversations.claim(role, limit, seconds)
        claims, asked_at = yield from timed(claiming, conversations.manner.clock)
        return cls(conversations, claims, seconds, asked_at)

    @property
    def every_seconds(self) -> float:
        """How often to renew: several times within the shortest term."""
        return max(
            min(self._terms.values(), default=60.0) / RENEWALS_PER_TERM,
            _RENEW_AT_LEAST_EVERY_SECONDS,
        )

    def require(self, claim: Claim) -> None:
        """See that a claim is still ours, before something is done on its strength.

        Raises ClaimLost.
        """
        claim_id = claim.claim_id
        if claim_id not in self._held or self._clock() >= self._until[claim_id]:
            raise ClaimLost(f"the claim on application {claim.application_id} is lost")

    def renew(self) -> Talk[None]:
        """Renew all that is held, whose end is nearest first; what cannot be is held no longer.

        Each renewal has its share of the time that is left to its claim, so that one which gets no
        answer leaves the others theirs. Claims may be given back meanwhile.
        """
        soonest = sorted(self._held, key=self._until.__getitem__)
        for place, claim_id in enumerate(soonest):
            left_seconds = self._until[claim_id] - self._clock()
            if left_seconds <= 0:
                self._held.pop(claim_id, None)
            elif claim_id in self._held:
                yield from self._renew(claim_id, left_seconds / (len(soonest) - place))

    def _renew(self, claim_id: UUID, within_seconds: float) -> Talk[None]:
        renewing = self._conversations.renew(claim_id, self._seconds, within_seconds)
        try:
            _, asked_at = yield from timed(renewing, self._clock)
            self._until[claim_id] = asked_at + (self._seconds or self._terms[claim_id])
        except LedgerError as fault:
            if isinstance(fault, Problem) and not fault.retryable:
                self._held.pop(claim_id, None)

    def done(self, claim: Claim) -> Talk[None]:
        """Give one claim back before the block ends."""
        if self._held.pop(claim.claim_id, None) is not None:
            yield from self._conversations.release(claim.claim_id)

    def release(self) -> Talk[None]:
        """Give all back, with the patience for one; what cannot be comes free by itself."""
        patience = self._conversations.manner.patience
        give_up_at = self._clock() + patience.seconds_max
        while self._held:
            claim_id, _ = self._held.popitem()
            until = min(give_up_at, self._until[claim_id])
            left_seconds = until - self._clock()
            if left_seconds <= 0:
                continue
            try:
                yield from self._conversations.release(claim_id, left_seconds)
            except LedgerError:
                continue
