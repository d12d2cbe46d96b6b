"""What becomes of commands, in the words that all ways in count them by."""

from lending.ledger.submission import Verdict
from lending.service.requests import CommandAnswer


def outcome_of(answer: CommandAnswer, *, dry_run: bool = False) -> str:
    """What became of a command, in one word."""
    if dry_run:
        return "rehearsed"
    if answer.replayed:
        return "replayed"
    return "refused" if answer.refused is not None else effect_of(answer)


def effect_of(answer: CommandAnswer) -> Verdict:
    """Whether a command that holds changed anything."""
    return Verdict.ACCEPTED if answer.events else Verdict.ALREADY_SO
