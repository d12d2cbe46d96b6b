"""What the way in through HTTP tells what it mounts about a request."""

from typing import Final

PRINCIPAL: Final = "lending.principal"
"""The key of an ASGI scope under which the principal who asks is given: authenticated already."""
