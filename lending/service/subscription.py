"""Which events a reader wants: the one filter of pages, streams and webhooks.

What belongs here: the filter, pure. Reading by it is in following.py and tail.py.
"""

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from lending.domain.application.state import Stage
from lending.domain.identifiers import is_application_id
from lending.ledger.leaf import Envelope


@dataclass(frozen=True, slots=True)
class EventFilter:
    """The events of one application, of these types, after which the application is in one of these
    stages. What is None or empty leaves nothing out.

    Events of a registry belong to no application and are in no stage: they match a filter by type
    only.
    """

    application_id: UUID | None = None
    event_types: frozenset[str] = frozenset()
    stages: frozenset[Stage] = frozenset()

    @property
    def everything(self) -> bool:
        """Whether it leaves nothing out."""
        return self.application_id is None and not self.event_types and not self.stages

    @property
    def needs_stage(self) -> bool:
        """Whether `matches` looks at the stage."""
        return bool(self.stages)

    def matches(self, envelope: Envelope, stage: Stage | None) -> bool:
        """Whether the event is wanted; `stage` is its application's after it, None for a registry's
        event and where the filter does not need it.
        """
        return self.admits(envelope.application_id, envelope.event_type) and (
            not self.stages or stage in self.stages
        )

    def admits(self, application_id: UUID, event_type: str) -> bool:
        """Whether an event is wanted as far as can be told without its stage."""
        if self.event_types and event_type not in self.event_types:
            return False
        if self.application_id is not None and application_id != self.application_id:
            return False
        of_no_application = self.application_id is not None or bool(self.stages)
        return not of_no_application or is_application_id(application_id)


EVERYTHING: Final = EventFilter()
"""The filter that leaves nothing out."""
