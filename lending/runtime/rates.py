"""How often somebody may ask: a token bucket for each name.

What belongs here: counting. Who a name stands for, and what is said when it asks too often, is no
concern of this file.
"""

from collections import OrderedDict
from collections.abc import Callable

from lending.runtime import limits


class RateLimits:
    """Buckets by name. Each holds `burst` tokens and gains `per_second` of them each second.

    What costs more than a whole bucket is let through when it is full, and owed afterwards: so the
    rate holds whatever the size of what is asked.
    """

    def __init__(
        self,
        per_second: float,
        burst: int,
        clock: Callable[[], float],
        keep: int = limits.RATE_BUCKETS_MAX,
    ) -> None:
        """`clock` gives seconds that never go back."""
        self._per_second = per_second
        self._burst = float(burst)
        self._clock = clock
        self._keep = keep
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait_seconds(self, name: str, cost: int) -> float:
        """Take `cost` tokens and return 0; or take none, and say after how long they are there."""
        now = self._clock()
        tokens, at = self._buckets.get(name, (self._burst, now))
        tokens = min(self._burst, tokens + (now - at) * self._per_second)
        missing = min(float(cost), self._burst) - tokens
        if missing > 0:
            return missing / self._per_second
        self._buckets[name] = tokens - cost, now
        self._buckets.move_to_end(name)
        if len(self._buckets) > self._keep:
            self._buckets.popitem(last=False)
        return 0.0
