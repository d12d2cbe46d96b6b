"""The page of who may do what, from the table itself; a part of `lending catalogue`."""

from collections.abc import Iterable, Iterator

from lending.domain.application.commands import COMMANDS, command_name
from lending.domain.application.refusals import Refusal
from lending.domain.authority import MAY, MAY_ISSUE, Permission, PrincipalKind, Role
from lending.runtime import limits

_YES = "yes"


def blocks() -> Iterator[str]:
    """The page's blocks: what each role may issue, what else it may do, and what else is checked."""
    yield (
        "Who may do what. A principal has one of the kinds"
        f" {', '.join(f'`{kind.value}`' for kind in PrincipalKind)}, any number of roles, for each"
        " currency the largest amount it may approve, and those on whose behalf it may act. Without"
        " authentication nothing on this page is enforced but the suspension of policies and of"
        " automated decisions."
    )
    yield "## Which role may issue which command"
    yield "A command that no role of the principal's may issue is answered 403 `forbidden`."
    yield _table(
        "command",
        ((f"`{command_name(kind)}`", [kind in MAY_ISSUE[r] for r in Role]) for kind in COMMANDS),
    )
    yield "## What else a role may do"
    yield _table(
        "permission",
        ((f"`{p.value}`", [p in MAY[role] for role in Role]) for p in Permission),
    )
    yield "## What else is checked of who asks"
    yield (
        "These are refusals: 403, on record, and listed by `GET /refusals`. They are checked in the"
        " order of all [refusals](refusals.md)."
    )
    rows = [f"| `{one.code}` | {one.meaning} |" for one in Refusal if one.of_authority]
    yield "\n".join(["| refusal | meaning |", "| --- | --- |", *rows])
    yield (
        "*Own score.* Those who acted when an application was scored (the principal, and on whose"
        " behalf) and those who act when it is decided have nobody in common. A decision that the"
        " active policy makes is nobody's own: anybody with the role may ask for it.\n\n"
        "*Amount.* An approval, a counter-offer, and an override that approves are held against the"
        " principal's limit in the application's currency; a currency without a limit it may not"
        " approve in. The refusal names up to five registered principals who could. What the active"
        " policy approves is the policy's, whoever asks for it; an offer is held against the decision"
        " that covers it, not against who makes it: before a decision it is conditional, and no money"
        " moves without one.\n\n"
        "*Automated decisions* are those of a policy, and those that principals of the kinds `agent`"
        " and `system` make.\n\n"
        "*Imported history.* What a principal with the role `importer` records with an effective"
        f" instant at least {limits.HISTORY_AGE_MIN_SECONDS} s ago was decided elsewhere, by others:"
        " neither its own scores, nor its limits, nor a"
        " suspension of automated decisions or of a policy that is cited are held against it. Only"
        " such a record may give the reason `not_recorded`. With an instant of about now, or none, an"
        " importer is held to what everybody is: it has no limits, so it approves nothing. That an"
        " instant is true nobody can check; so give such a key a short life, and see by `authority`"
        " and `effective_at` of each event what was recorded like that."
    )


def _table(first: str, rows: Iterable[tuple[str, list[bool]]]) -> str:
    head = [first, *(f"`{role.value}`" for role in Role)]
    lines = [head, ["---" for _ in head]]
    lines += [[name, *(_YES if yes else "" for yes in given)] for name, given in rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
