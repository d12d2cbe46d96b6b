"""The page of what verification can find; a part of `lending catalogue`."""

from collections.abc import Iterator

from lending.ledger.findings import Discrepancy


def blocks() -> Iterator[str]:
    """The page's blocks."""
    yield (
        "What `lending verify` calls what it finds, the gravest first. The exit code is that of the"
        " gravest. 0 says that nothing differs, 1 that it could not be verified, 2 that the command was"
        " typed wrongly. How to verify is in [verify](../how-to/verify.md)."
    )
    rows = [f"| `{kind.label}` | {kind.exit_code} | {kind.meaning} |" for kind in Discrepancy]
    yield "\n".join(["| discrepancy | exit code | what it says |", "| --- | ---: | --- |", *rows])
