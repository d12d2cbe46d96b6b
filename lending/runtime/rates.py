"""How often somebody may ask: a token bucket for each name.

What belongs here: counting. Who a name stands for, and what is said when it asks too often, is no
concern of this file.
"""

from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from lending.runtime import limits

_NOTHING: Final = 1e-9  # less than any token: what is left of one by rounding


class RateLimits:
    """Buckets by name. Each holds `burst` tokens and gains `per_second` of them each second.

    Who has a token left may ask for more than that: it is owed afterwards. So the rate holds
    whatever the size of what is asked.
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

    def wait_seconds(self, name: str, cost: int, *, let_in: bool = False) -> float:
        """Take `cost` tokens and return 0; or take none, and say after how long there will be one.

        Who was `let_in` for a token already is refused only while it owes some.
        """
        now = self._clock()
        tokens, at = self._buckets.get(name, (self._burst, now))
        tokens = min(self._burst, tokens + (now - at) * self._per_second)
        missing = (0.0 if let_in else 1.0) - tokens
        if missing > _NOTHING:
            return missing / self._per_second
        self._buckets[name] = tokens - cost, now
        self._buckets.move_to_end(name)
        if len(self._buckets) > self._keep:
            self._buckets.popitem(last=False)
        return 0.0
