"""How this process looks for garbage in cycles."""

import gc


def collect_rarely() -> None:
    """Look for cycles rarely, and never among what start-up made.

    A batch or a bulk makes some hundred thousand objects, none of which is part of a cycle: they go
    when nothing refers to them any more, and looking through them is in vain.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
