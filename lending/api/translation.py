"""From what the service raises to problems."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

import psycopg
import psycopg_pool

from lending.api.answers import Header
from lending.api.problems import Fault, Problem, because, invalid
from lending.contract.bodies import InvalidBody
from lending.contract.json_body import MalformedJson
from lending.contract.positions import cursor_text
from lending.domain.application.refusals import Refusal
from lending.ledger import submission, tiles, tree
from lending.runtime import limits
from lending.service import (
    authentication,
    calendars,
    erasure,
    history,
    judging,
    kill_switch,
    loans,
    models,
    moments,
    permissions,
    policies,
    products,
    requests,
    subjects,
    tail,
    work,
)
from lending.service.backtests import store as backtests
from lending.service.evidence import model as evidence
from lending.service.transparency import log
from lending.service.webhooks import model as webhooks

RETRY_AFTER: Final[Header] = (b"retry-after", b"%d" % limits.RETRY_AFTER_SECONDS)

_UNREACHABLE: Final = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    psycopg_pool.PoolTimeout,
    psycopg_pool.TooManyRequests,
    psycopg_pool.PoolClosed,
    ConnectionError,
)


def problem_of(fault: Exception) -> Problem | None:
    """The problem that `fault` is answered with, or None where it is nobody's but the service's."""
    made = _BY_KIND.get(type(fault))
    if made is not None:
        return made(fault)
    if isinstance(fault, _UNREACHABLE):
        return _later(Fault.UNAVAILABLE)
    return None


def unauthenticated() -> Problem:
    """Always the same, whatever is wrong with the credential (RFC 6750, section 3)."""
    return Problem(Fault.UNAUTHENTICATED, headers=[(b"www-authenticate", b"Bearer")])


def _later(kind: Fault, detail: str | None = None) -> Problem:
    return Problem(kind, detail, headers=[RETRY_AFTER])


def _with_version(kind: Fault) -> Callable[[Any], Problem]:
    return lambda fault: Problem(kind, str(fault), more={"current_version": fault.current_version})


def _with_faults(kind: Fault | Refusal) -> Callable[[Any], Problem]:
    """With the faults of a policy, each by its place."""
    return lambda fault: Problem(
        kind, str(fault), more={"policy_faults": [one._asdict() for one in fault.faults]}
    )


def _not_erasable(fault: erasure.NotErasable) -> Problem:
    """With what is in the way, application by application, of the first of them."""
    named = [
        {
            "application_id": str(one.application_id),
            "obstacle": one.obstacle,
            "status": one.status,
            "until": None if one.until is None else one.until.isoformat(),
        }
        for one in fault.in_the_way[: limits.PAGE_DEFAULT_ITEMS]
    ]
    return Problem(Fault.NOT_ERASABLE, more={"in_the_way": named})


def _rewound(fault: history.HistoryGone) -> Problem:
    """`resume_after` is the cursor to go on with."""
    return Problem(
        Fault.HISTORY_REWOUND,
        str(fault),
        more={
            "shard": fault.shard,
            "epoch": fault.epoch,
            "first_position": fault.first_position,
            "resume_after": cursor_text(fault.shard, fault.first_position - 1, fault.epoch),
        },
    )


def _said(kind: Fault) -> Callable[[Exception], Problem]:
    return lambda fault: Problem(kind, str(fault) or None)


_BY_KIND: Final[Mapping[type[Exception], Callable[[Any], Problem]]] = MappingProxyType(
    {
        InvalidBody: lambda fault: invalid(fault.errors),
        MalformedJson: _said(Fault.MALFORMED_JSON),
        authentication.Unauthenticated: lambda _: unauthenticated(),
        authentication.AuthenticationUnavailable: lambda fault: _later(
            Fault.UNAVAILABLE, f"Nobody can be admitted: {fault}. Nothing was recorded."
        ),
        permissions.NotPermitted: _said(Fault.FORBIDDEN),
        permissions.ActingNotAllowed: _said(Fault.ACTING_NOT_ALLOWED),
        requests.UnknownApplication: _said(Fault.APPLICATION_NOT_FOUND),
        requests.PrincipalSuspended: lambda fault: Problem(
            Refusal.PRINCIPAL_SUSPENDED, because(Refusal.PRINCIPAL_SUSPENDED, str(fault))
        ),
        requests.VersionMismatch: _with_version(Fault.PRECONDITION_FAILED),
        requests.KeyReused: _said(Fault.KEY_REUSED),
        requests.KeyRequired: _said(Fault.KEY_REQUIRED),
        requests.Contended: _with_version(Fault.CONFLICT),
        requests.NotAttempted: lambda fault: Problem(
            Fault.NOT_ATTEMPTED, str(fault), retryable=fault.retryable
        ),
        requests.EventTooLarge: _said(Fault.EVENT_TOO_LARGE),
        kill_switch.PolicyNotPublished: _said(Fault.POLICY_NOT_FOUND),
        kill_switch.WrongName: _said(Fault.NAME_UNFIT),
        kill_switch.PrincipalNotRegistered: _said(Fault.PRINCIPAL_NOT_FOUND),
        kill_switch.TooManySuspended: _said(Fault.TOO_MANY_SUSPENDED),
        products.UnknownProduct: _said(Fault.PRODUCT_NOT_FOUND),
        products.ProductFaulty: lambda fault: Problem(
            Fault.PRODUCT_FAULTY, str(fault), more={"faults": list(fault.faults)}
        ),
        products.VersionTaken: _said(Fault.PRODUCT_VERSION_TAKEN),
        products.TooManyProducts: _said(Fault.TOO_MANY_PRODUCTS),
        policies.UnknownPolicy: _said(Fault.POLICY_NOT_FOUND),
        policies.PolicyRefused: _with_faults(Fault.POLICY_REFUSED),
        policies.FactsUnfit: _with_faults(Fault.FACTS_UNFIT),
        policies.PolicyGaveNoDecision: _with_faults(Refusal.POLICY_FAULTY),
        policies.VersionTaken: _said(Fault.POLICY_VERSION_TAKEN),
        policies.VersionWithdrawn: _said(Fault.POLICY_WITHDRAWN),
        policies.PolicyInUse: _said(Fault.POLICY_IN_USE),
        policies.ActivationPast: _said(Fault.ACTIVATION_PAST),
        policies.TooManyPolicies: _said(Fault.TOO_MANY_POLICIES),
        judging.PolicyUnavailable: lambda fault: _later(Fault.POLICY_UNAVAILABLE, str(fault)),
        backtests.UnknownBacktest: _said(Fault.BACKTEST_NOT_FOUND),
        backtests.TooManyBacktests: lambda fault: _later(Fault.TOO_MANY_BACKTESTS, str(fault)),
        models.UnknownModel: _said(Fault.MODEL_NOT_FOUND),
        models.ModelTaken: _said(Fault.MODEL_VERSION_TAKEN),
        models.ModelDaysReversed: _said(Fault.MODEL_DAYS_REVERSED),
        models.TooManyModels: _said(Fault.TOO_MANY_MODELS),
        subjects.UnknownSubject: _said(Fault.SUBJECT_NOT_FOUND),
        subjects.TooManyApplications: _said(Fault.TOO_MANY_OF_SUBJECT),
        subjects.TooManyHolds: _said(Fault.TOO_MANY_HOLDS),
        erasure.SubjectOnHold: _said(Fault.SUBJECT_ON_HOLD),
        erasure.NotErasable: _not_erasable,
        erasure.TooManyUnderWay: _said(Fault.TOO_MANY_ERASURES),
        erasure.ReadModelsBehind: lambda fault: _later(Fault.READ_MODELS_BEHIND, str(fault)),
        erasure.KeysLeft: _said(Fault.KEYS_LEFT),
        calendars.UnknownCalendar: _said(Fault.CALENDAR_NOT_FOUND),
        history.HistoryGone: _rewound,
        history.UnknownShard: _said(Fault.SHARD_NOT_FOUND),
        history.UnknownMoment: _said(Fault.MOMENT_NOT_FOUND),
        log.UnknownCheckpoint: _said(Fault.CHECKPOINT_NOT_FOUND),
        tree.NotSealed: lambda fault: Problem(
            Fault.NOT_SEALED, str(fault), headers=[RETRY_AFTER], more={"size": fault.size}
        ),
        evidence.NotSealedYet: lambda fault: Problem(
            Fault.EVIDENCE_NOT_SEALED,
            headers=[RETRY_AFTER],
            more={"size": fault.size, "position": fault.position},
        ),
        evidence.TooMuchEvidence: _said(Fault.TOO_MUCH_EVIDENCE),
        tiles.TileFault: _said(Fault.INVALID_TILE),
        moments.NoDecision: _said(Fault.DECISION_NOT_FOUND),
        loans.NoLoan: _said(Fault.LOAN_NOT_FOUND),
        loans.DayOutOfRange: _said(Fault.DAY_OUT_OF_RANGE),
        tail.SlowReader: lambda _: Problem(Fault.SLOW_READER),
        tail.TailEnded: lambda _: _later(Fault.NOT_READY),
        work.UnknownClaim: _said(Fault.CLAIM_NOT_FOUND),
        work.TooManyClaims: _said(Fault.TOO_MANY_CLAIMS),
        work.QueueBusy: lambda fault: _later(Fault.UNAVAILABLE, str(fault)),
        work.ReadModelOutdated: lambda fault: _later(Fault.NOT_READY, str(fault)),
        webhooks.UnknownWebhook: _said(Fault.WEBHOOK_NOT_FOUND),
        webhooks.UnknownDelivery: _said(Fault.DELIVERY_NOT_FOUND),
        webhooks.UrlRefused: _said(Fault.WEBHOOK_URL_REFUSED),
        webhooks.TooManyWebhooks: _said(Fault.TOO_MANY_WEBHOOKS),
        submission.QueueFull: lambda _: _later(Fault.QUEUE_FULL),
        submission.LaneUnavailable: lambda _: _later(Fault.UNAVAILABLE),
        submission.OutcomeUnknown: lambda _: _later(Fault.OUTCOME_UNKNOWN),
        submission.Unstorable: lambda _: Problem(Fault.UNSTORABLE),
        submission.ClockFault: lambda _: _later(Fault.CLOCK_FAULT),
        submission.HistoryRewound: lambda _: _later(Fault.EPOCH_NOT_OPEN),
    }
)
