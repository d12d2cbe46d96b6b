"""What can stop an import: one class a cause, whose sentence says what to do about it."""

from pathlib import Path

from lending.runtime.errors import OperatorError


class ImportStopped(OperatorError):
    """The import cannot go on; `str()` says why, in a sentence for the operator."""


class UnreadableLog(ImportStopped):
    """The file cannot be opened, is no XES log, or ends too early."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}")


class MalformedCase(ImportStopped):
    """A case or an event of the log lacks what the import needs, or has it in an unusable form."""

    def __init__(self, path: Path, case: str, event_number: int | None, reason: str) -> None:
        place = f"case {case}" if event_number is None else f"case {case}, event {event_number}"
        super().__init__(f"{path}: {place}: {reason}")


class NobodyListens(ImportStopped):
    """No service answers at the URL."""

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(
            f"Nothing answers at {url} ({reason}). Start the ledger: make run, or lending serve."
        )


class NotAdmitted(ImportStopped):
    """The service does not know who asks."""

    def __init__(self, url: str) -> None:
        super().__init__(
            f"{url} does not know who asks: set LENDING_API_KEY to a key that is good, of the role"
            " importer and acting for anybody; `lending keys create` makes one"
        )


class UnusableUrl(ImportStopped):
    """The URL is not one of an HTTP service."""

    def __init__(self, url: str) -> None:
        super().__init__(
            f"{url!r} is not the URL of an HTTP service, such as http://127.0.0.1:8000."
        )


class ServiceFailed(ImportStopped):
    """The service answered with an error that is no refusal, or could not be reached in time."""

    def __init__(self, subject: str, reason: str) -> None:
        super().__init__(f"{subject}: {reason}")


class UnreadableFile(ImportStopped):
    """A file cannot be opened, or is not what it should be."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}")


class MalformedLine(ImportStopped):
    """A line of a file lacks what the import needs, or has it in an unusable form."""

    def __init__(self, path: Path, line_number: int, reason: str) -> None:
        super().__init__(f"{path}, line {line_number}: {reason}")


class ProductNotPublished(ImportStopped):
    """The product that the loans are boarded under is not on record, and who asks may not put it there."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(
            f"the product {name} cannot be published: {reason}. Have an admin publish it with"
            " `lending products publish FILE`; docs/how-to/import.md has its definition"
        )
