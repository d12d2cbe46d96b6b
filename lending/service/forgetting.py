"""Dropping from memory what was erased, in every process within a second.

What belongs here: noticing in the registry that data were erased, and telling those who keep
applications or events in memory. An erasure is noticed twice: when it is recorded, from when on what
is read anew is kept without what is personal, and when the keys are destroyed, so that nothing that
was read between the two is left.
"""

from collections.abc import Callable, Collection
from uuid import UUID

from lending.domain.registry import Registry

Forget = Callable[[Collection[UUID] | None], None]
"""Drops what is kept of these applications, None being all."""


class Forgetting:
    """Tells of each erasure once."""

    def __init__(self, *keepers: Forget) -> None:
        self._keepers = list(keepers)
        self._seen = 0

    def add(self, keeper: Forget) -> None:
        """Tell `keeper` too."""
        self._keepers.append(keeper)

    def heed(self, registry: Registry) -> None:
        """Tell of what was erased since the registry was last heeded."""
        subjects = registry.subjects
        if not subjects.recent or subjects.recent[-1].position == self._seen:
            return
        applications = subjects.since(self._seen)
        self._seen = subjects.recent[-1].position
        for forget in self._keepers:
            forget(applications)
