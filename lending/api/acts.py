"""Acts that go on record in the registry: who does them, by the request's principal and headers."""

from collections.abc import Callable
from datetime import datetime

from lending.api.headers import EFFECTIVE_AT, IF_MATCH, NAMES, read_command_headers
from lending.api.incoming import Incoming
from lending.api.problems import invalid_header
from lending.service.authority import Authority
from lending.service.registry_writing import Operator


class Operators:
    """Reads who acts out of requests."""

    def __init__(self, authority: Authority, *, clock: Callable[[], datetime]) -> None:
        self._authority = authority
        self._clock = clock

    def of(self, request: Incoming) -> Operator:
        """Who acts. Raises Problem for a header that would promise something no act heeds.

        Idempotency-Key is let pass: an act can be repeated blindly anyway.
        """
        for name in (IF_MATCH, EFFECTIVE_AT):
            if name in request.named:
                written, fault = NAMES[name]
                raise invalid_header(fault, written, "means nothing to this act")
        said = read_command_headers(request.named, self._clock)
        return Operator(
            principal=request.principal,
            on_behalf_of=said.on_behalf_of,
            correlation_id=request.correlation.id,
            authority=self._authority.text_of(request.principal),
        )
