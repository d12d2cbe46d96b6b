"""What becomes of commands, in the words that all ways in count them by."""

from lending.service.requests import CommandAnswer


def outcome_of(answer: CommandAnswer, dry_run: bool) -> str:
    """What became of a command, in one word, for metrics."""
    if dry_run:
        return "rehearsed"
    if answer.replayed:
        return "replayed"
    if answer.refused is not None:
        return "refused"
    return "accepted" if answer.events else "already_so"
