"""How many requests are under way: in all, and of each principal.

What belongs here: taking places and giving them back. Who waits for events takes one among the
streams instead.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from lending.api.problems import Fault, Problem
from lending.api.translation import RETRY_AFTER
from lending.domain.authority import Principal
from lending.runtime import limits


class UnderWay:
    """The requests that a service works on."""

    __slots__ = ("_of_principal", "count")

    def __init__(self) -> None:
        self.count = 0
        self._of_principal: Counter[str] = Counter()

    @property
    def kept(self) -> int:
        """How many principals it knows: those with a request under way."""
        return len(self._of_principal)

    def require_room(self, most: int) -> None:
        """Raise Problem where there are more than `most`."""
        if self.count > most:
            raise Problem(Fault.OVERLOADED, headers=[RETRY_AFTER])

    def take(self, principal: Principal) -> None:
        """Count one more of this principal's. Raises Problem where it has as many as it may.

        Nobody is told apart without authentication: one who is unrestricted may have them all.
        """
        if principal.unrestricted:
            return
        most = max(1, limits.REQUESTS_MAX // limits.REQUEST_SHARES)
        if self._of_principal.get(principal.name, 0) >= most:
            raise Problem(Fault.TOO_MANY_REQUESTS, headers=[RETRY_AFTER])
        self._of_principal[principal.name] += 1

    def give_back(self, principal: Principal) -> None:
        """Count one less of this principal's, which was taken."""
        if principal.unrestricted:
            return
        self._of_principal[principal.name] -= 1
        if not self._of_principal[principal.name]:
            del self._of_principal[principal.name]

    @contextmanager
    def left_out(self, principal: Principal) -> Iterator[None]:
        """Inside the block one request of this principal's is not counted."""
        self.count -= 1
        self.give_back(principal)
        try:
            yield
        finally:
            self.count += 1
            if not principal.unrestricted:  # it ends now, and is let do so
                self._of_principal[principal.name] += 1
