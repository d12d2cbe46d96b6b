"""What can stop the demonstration."""

from lending.runtime.errors import OperatorError


class DemoFailed(OperatorError):
    """The demonstration could not be carried through; the text says what the service answered."""
