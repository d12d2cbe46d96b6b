"""Keeping each principal within the rate of the settings."""

from math import ceil

from lending.api.problems import Fault, Problem
from lending.domain.authority import Principal
from lending.runtime.rates import RateLimits


class Rates:
    """Charges principals for what they ask; a bulk costs as much as its commands alone."""

    def __init__(self, rate_limits: RateLimits) -> None:
        self._limits = rate_limits

    def charge(self, principal: Principal) -> None:
        """Take a request off what the principal may ask now. Raises Problem."""
        _refuse(self._limits.wait_seconds(principal.name, 1))

    def charge_more(self, principal: Principal, commands: int) -> None:
        """Take what a request holds besides off what its principal may ask. Raises Problem."""
        _refuse(self._limits.wait_seconds(principal.name, commands, let_in=True))


def _refuse(wait_seconds: float) -> None:
    if wait_seconds:
        later = (b"retry-after", b"%d" % max(1, ceil(wait_seconds)))
        raise Problem(Fault.RATE_LIMITED, headers=[later])
