"""What is common to holding claims, whoever does the I/O: which are held, when to renew, what is lost."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from lending.client.answers import Claim
from lending.client.conversations import Conversations
from lending.client.errors import ClaimLost, LedgerError, Problem
from lending.client.wire import Talk

RENEWALS_PER_TERM: Final = 3
_RENEW_AT_LEAST_EVERY_SECONDS: Final = 0.05


class Holding:
    """Claims that are held inside a block. Iterate it for the claims that were got, if any."""

    def __init__(
        self, conversations: Conversations, claims: Sequence[Claim], seconds: int | None
    ) -> None:
        self._conversations = conversations
        self._seconds = seconds
        self._clock = conversations.manner.clock
        self._held = {claim.claim_id: claim for claim in claims}
        self._lost: set[UUID] = set()
        self._terms = {
            claim.claim_id: (claim.expires_at - claim.claimed_at).total_seconds()
            for claim in claims
        }
        self._until = {claim_id: self._clock() + term for claim_id, term in self._terms.items()}
        self.claims = claims

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
        if claim.claim_id in self._lost:
            raise ClaimLost(f"the claim on application {claim.application_id} is lost")

    def renew(self) -> Talk[None]:
        """Renew all that is held; what cannot be is noted as lost."""
        for claim_id in list(self._held):
            try:
                asked_at = self._clock()
                yield from self._conversations.renew(claim_id, self._seconds)
                self._until[claim_id] = asked_at + (self._seconds or self._terms[claim_id])
            except LedgerError as fault:
                unclear = not isinstance(fault, Problem) or fault.retryable
                if not unclear or self._until[claim_id] <= self._clock():
                    del self._held[claim_id]
                    self._lost.add(claim_id)

    def done(self, claim: Claim) -> Talk[None]:
        """Give one claim back before the block ends."""
        if self._held.pop(claim.claim_id, None) is not None:
            yield from self._conversations.release(claim.claim_id)

    def release(self) -> Talk[None]:
        """Give all back; what cannot be comes free by itself."""
        while self._held:
            claim_id, _ = self._held.popitem()
            try:
                yield from self._conversations.release(claim_id)
            except LedgerError:
                continue
