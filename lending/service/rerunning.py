"""A decision of a policy asked again: whether it would come out the same, and if not why.

The policy is asked in the child process that trials have, with its limits, so whatever it does comes
back as a verdict.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from lending.domain.application.circumstances import FactsMissing
from lending.domain.application.commands import Outcome
from lending.domain.application.events import Decided, PolicyCited, Scored
from lending.domain.application.state import Application
from lending.domain.fields import Erased, FactValue
from lending.domain.models import Models
from lending.domain.policies import Policies, PolicyOnRecord
from lending.policy import debt_to_income
from lending.policy.catalogue import others_of
from lending.policy.document import digest_of
from lending.policy.engine import Evaluation
from lending.policy.evaluator import Evaluator, EvaluatorDown
from lending.policy.facts import SCHEMA, facts_of, from_minor_units
from lending.policy.faults import Fault
from lending.service.explaining import Made, MadeBy


class Verdict(StrEnum):
    """What came of asking again."""

    REPRODUCED = "reproduced"
    """The same policy on the same facts says the same."""
    DRIFTED = "drifted"
    """Something is not as it was; `drifts` says what."""
    FAULTY = "faulty"
    """The policy gave no answer that could be a decision; `fault` says why."""
    FACTS_ERASED = "facts_erased"
    """What it was decided on is gone with the key of its person."""
    NOT_RUN = "not_run"
    """The process that evaluates policies is not to be had now: ask again later."""
    NO_POLICY = "no_policy"
    """No policy decided, so there is none to ask."""


class Cause(StrEnum):
    """What is not as it was."""

    POLICY = "policy"
    MODEL = "model"
    DATA = "data"
    ENGINE = "engine"
    RECORD = "record"


class Drift(NamedTuple):
    """One thing that is not as it was: its cause, a code for it, and what in particular."""

    cause: Cause
    kind: str
    detail: str


class FactDrift(NamedTuple):
    """A fact that reads otherwise when it is rebuilt from the events before the decision; None where
    there is none.
    """

    name: str
    recorded: FactValue | None
    rebuilt: FactValue | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rerun:
    """What came of asking again. `answer` is to the facts on record, `answer_to_rebuilt` to those that
    the events before the decision come to, where they differ.
    """

    verdict: Verdict
    drifts: tuple[Drift, ...] = ()
    facts: tuple[FactDrift, ...] = ()
    answer: Evaluation | None = None
    answer_to_rebuilt: Evaluation | None = None
    fault: Fault | None = None


async def rerun(made: Made, policies: Policies, models: Models, evaluator: Evaluator) -> Rerun:
    """Ask the policy of a decision again."""
    event = made.event
    if not isinstance(event, Decided) or event.policy is None or made.by is not MadeBy.POLICY:
        return Rerun(verdict=Verdict.NO_POLICY)
    if isinstance(event.personal_facts, Erased):
        return Rerun(verdict=Verdict.FACTS_ERASED)
    recorded = recorded_facts(event)
    differing, rebuilt = _of_facts(event, recorded, made.before)
    drifts = (
        *_of_policy(event.policy, policies),
        *_of_model(made.scored, recorded, models),
        *_of_data(differing),
    )
    found = policies.version(event.policy.name, event.policy.version)
    if found is None or not as_published(found):
        return Rerun(verdict=Verdict.DRIFTED, drifts=drifts, facts=differing)
    others = others_of(found.definition, policies)
    try:
        answer = await evaluator.evaluate(found.definition, recorded, others)
        other: Evaluation | Fault | None = None
        if differing and rebuilt is not None:
            other = await evaluator.evaluate(found.definition, rebuilt, others)
    except EvaluatorDown:
        return Rerun(verdict=Verdict.NOT_RUN, drifts=drifts, facts=differing)
    if isinstance(answer, Fault):
        return Rerun(verdict=Verdict.FAULTY, drifts=drifts, facts=differing, fault=answer)
    same_text = found.cited.digest == event.policy.digest
    drifts = (*drifts, *_of_answer(event, answer, same_text=same_text))
    return Rerun(
        verdict=Verdict.DRIFTED if drifts else Verdict.REPRODUCED,
        drifts=drifts,
        facts=differing,
        answer=answer,
        answer_to_rebuilt=None if isinstance(other, Fault) else other,
    )


def as_published(found: PolicyOnRecord) -> bool:
    """Whether a policy's text is the one whose digest was published; another is never asked."""
    return digest_of(found.definition) == found.cited.digest


def recorded_facts(event: Decided) -> dict[str, FactValue]:
    """The facts that a decision says its policy saw; of erased ones nothing."""
    personal = event.personal_facts
    known = {} if personal is None or isinstance(personal, Erased) else personal
    return {**(event.facts or {}), **known}


def _of_policy(cited: PolicyCited, policies: Policies) -> Iterator[Drift]:
    name = f"{cited.name}@{cited.version}"
    found = policies.version(cited.name, cited.version)
    if found is None:
        yield Drift(Cause.POLICY, "missing", f"{name} is not on record")
        return
    if found.cited.digest != cited.digest:
        detail = f"{name} is on record with the digest {found.cited.digest}, not {cited.digest}"
        yield Drift(Cause.POLICY, "digest_differs", detail)
    if not as_published(found):
        detail = f"the text of {name} is not the one whose digest was published"
        yield Drift(Cause.POLICY, "text_differs", detail)


def _of_model(
    scored: Scored | None, recorded: Mapping[str, FactValue], models: Models
) -> Iterator[Drift]:
    """What became of the model whose score a decision rests on, where its versions are on record."""
    if scored is None or not any(name.startswith("score") for name in recorded):
        return
    found = models.version(scored.model, scored.model_version)
    if found is None:
        return
    name, artifact = f"{scored.model} {scored.model_version}", found.registered.artifact_digest
    if found.withdrawn:
        yield Drift(Cause.MODEL, "withdrawn", f"the model {name} is withdrawn")
    if scored.artifact_digest not in (None, artifact):
        detail = f"the model {name} is registered with the artifact {artifact}"
        yield Drift(Cause.MODEL, "artifact_differs", f"{detail}, not {scored.artifact_digest}")


def _of_facts(
    event: Decided, recorded: Mapping[str, FactValue], before: Application
) -> tuple[tuple[FactDrift, ...], dict[str, FactValue] | None]:
    """The facts that read otherwise when rebuilt, and all of them as rebuilt, where all are there."""
    rebuilt = _rebuilt(event, recorded, before)
    names = sorted(recorded.keys() | rebuilt.keys())
    differing = tuple(
        FactDrift(name, recorded.get(name), rebuilt.get(name))
        for name in names
        if recorded.get(name) != rebuilt.get(name)
    )
    return differing, rebuilt if rebuilt.keys() >= recorded.keys() else None


def _rebuilt(
    event: Decided, recorded: Mapping[str, FactValue], before: Application
) -> dict[str, FactValue]:
    """The facts on record, as the events before the decision give them; what they lack is left out."""
    if event.fact_schema is None:
        found = debt_to_income.facts_of(before)
        return {} if isinstance(found, FactsMissing) else found.all
    rebuilt: dict[str, FactValue] = {}
    for name in recorded.keys() & SCHEMA.keys():
        one = facts_of(before, (name,))
        rebuilt |= {} if isinstance(one, FactsMissing) else one.all
    return rebuilt


def _of_data(differing: tuple[FactDrift, ...]) -> Iterator[Drift]:
    for one in differing:
        kind = "missing" if one.rebuilt is None else "differs"
        yield Drift(Cause.DATA, kind, one.name)


def _of_answer(event: Decided, answer: Evaluation, *, same_text: bool) -> Iterator[Drift]:
    """What an answer that differs comes from: another text is told already, another engine is one
    cause, and where neither is, what is on record is not what this policy answered.
    """
    if not same_text:
        return
    same_engine = (event.engine, event.engine_version) in (
        (answer.engine, answer.engine_version),
        (None, None),
    )
    wrong = [*_differences(event, answer)]
    if wrong:
        kind = "answer_differs"
        cause = Cause.RECORD if same_engine else Cause.ENGINE
        yield Drift(cause, kind, "; ".join(wrong))
    elif same_engine and event.trace_digest not in (None, answer.trace_digest):
        yield Drift(Cause.RECORD, "trace_differs", "the trace has another digest than was recorded")


def _differences(event: Decided, answer: Evaluation) -> Iterator[str]:
    if answer.outcome is not event.outcome:
        yield f"{answer.outcome.value}, not {event.outcome.value}"
    if answer.reasons != event.reasons:
        yield "other reasons"
    if answer.rules != event.trace:
        yield "other rules fired"
    if answer.outcome is event.outcome is Outcome.COUNTER_OFFERED:
        yield from _other_terms(event, answer)


def _other_terms(event: Decided, answer: Evaluation) -> Iterator[str]:
    if answer.amount_minor is not None:
        currency = str((event.facts or {}).get("currency"))
        if from_minor_units(answer.amount_minor, currency) != event.amount:
            yield "another amount"
    if answer.term_months not in (None, event.term_months):
        yield "another term"
