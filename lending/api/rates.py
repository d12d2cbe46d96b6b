"""Keeping each principal within the rate of the settings."""

from math import ceil

from lending.api.problems import Fault, Problem
from lending.domain.authority import Principal
from lending.runtime.rates import RateLimits


class Rates:
    """Charges principals for what they ask; a bulk costs as much as its commands alone."""

    def __init__(self, rate_limits: RateLimits) -> None:
        self._limits = rate_limits

    def charge(self, principal: Principal, requests: int) -> None:
        """Take so many requests off what the principal may ask now. Raises Problem."""
        wait_seconds = self._limits.wait_seconds(principal.name, requests) if requests else 0.0
        if wait_seconds:
            later = (b"retry-after", b"%d" % max(1, ceil(wait_seconds)))
            raise Problem(Fault.RATE_LIMITED, headers=[later])
