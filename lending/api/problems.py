"""The one table of errors: what may go wrong with a request, its code, its status, whether to retry.

Every error leaves as RFC 9457 problem details made from this table or from the domain's refusals.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

import orjson

from lending.api.answers import Answer, Header, Told
from lending.contract.bodies import ERRORS_SHOWN_MAX
from lending.domain.application.refusals import Refusal

MEDIA_TYPE: Final = b"application/problem+json"


class Fault(Enum):
    """What can be wrong apart from refusals: a stable code, a status, whether the same request may
    succeed later, and what it means.
    """

    MALFORMED_JSON = (
        "malformed_json", 400, False,
        "The body is not JSON as it is accepted here: UTF-8, no repeated names, no NaN, no U+0000.",
    )  # fmt: skip
    KEY_REQUIRED = (
        "key_required", 400, False,
        "A command that moves money needs an Idempotency-Key, so that it can be repeated safely.",
    )  # fmt: skip
    UNAUTHENTICATED = (
        "unauthenticated", 401, False,
        "Authorization: Bearer with an API key or a token that is good is needed here.",
    )  # fmt: skip
    FORBIDDEN = (
        "forbidden", 403, False,
        "No role of the principal's may do this.",
    )  # fmt: skip
    ACTING_NOT_ALLOWED = (
        "acting_not_allowed", 403, False,
        "The principal may not act on behalf of whom Lending-Actor names.",
    )  # fmt: skip
    ORIGIN_NOT_ALLOWED = (
        "origin_not_allowed", 403, False,
        "The request comes from a web page of another origin.",
    )  # fmt: skip
    NOT_FOUND = "not_found", 404, False, "There is nothing at this path."
    APPLICATION_NOT_FOUND = (
        "application_not_found", 404, False,
        "There is no application of this id. Check the id, or apply.",
    )  # fmt: skip
    PRINCIPAL_NOT_FOUND = (
        "principal_not_found", 404, False,
        "No principal of this name is registered. Whom tokens speak for is named jwt:SUBJECT.",
    )  # fmt: skip
    POLICY_NOT_FOUND = (
        "policy_not_found", 404, False, "No credit policy of this name was published.",
    )  # fmt: skip
    BACKTEST_NOT_FOUND = (
        "backtest_not_found", 404, False,
        "The version has no such backtest, it is not kept any more, or it has no result yet.",
    )  # fmt: skip
    MODEL_NOT_FOUND = (
        "model_not_found", 404, False,
        "No score model of this name and version is registered.",
    )  # fmt: skip
    PRODUCT_NOT_FOUND = (
        "product_not_found", 404, False,
        "No product of this name is offered, or it has no such version.",
    )  # fmt: skip
    CALENDAR_NOT_FOUND = (
        "calendar_not_found", 404, False,
        "There is no holidays calendar of this name. Names are such as us, us-ny, de-by, ecb, nyse.",
    )  # fmt: skip
    MOMENT_NOT_FOUND = (
        "moment_not_found", 404, False,
        "The application has no such version, or was not on record at that moment.",
    )  # fmt: skip
    DECISION_NOT_FOUND = (
        "decision_not_found", 404, False,
        "The event of this version is no decision, or the application has no such version.",
    )  # fmt: skip
    SUBJECT_NOT_FOUND = (
        "subject_not_found", 404, False, "Nothing is on record of a person with this pseudonym.",
    )  # fmt: skip
    LOAN_NOT_FOUND = (
        "loan_not_found", 404, False,
        "The application has no loan under terms at that moment, or no such offer.",
    )  # fmt: skip
    WEBHOOK_NOT_FOUND = "webhook_not_found", 404, False, "There is no webhook of this id."
    DELIVERY_NOT_FOUND = (
        "delivery_not_found", 404, False,
        "The webhook has no such delivery, waiting or given up: it was delivered, or never wanted.",
    )  # fmt: skip
    NOT_SEALED = (
        "not_sealed", 404, True,
        "The transparency log has not come so far, or such a position or size is not there yet.",
    )  # fmt: skip
    CHECKPOINT_NOT_FOUND = (
        "checkpoint_not_found", 404, False,
        "There is no checkpoint of this size; detail names the nearest. Leave size out for the newest one.",
    )  # fmt: skip
    SHARD_NOT_FOUND = "shard_not_found", 404, False, "The ledger has no such shard."
    CLAIM_NOT_FOUND = (
        "claim_not_found", 404, False,
        "You hold no claim of this id: it was released, it expired, or its task is done.",
    )  # fmt: skip
    METHOD_NOT_ALLOWED = (
        "method_not_allowed", 405, False, "The path exists; the header Allow names its methods.",
    )  # fmt: skip
    NOT_ACCEPTABLE = (
        "not_acceptable", 406, False,
        "Accept names nothing that this can be had as; offered says what it can.",
    )  # fmt: skip
    BODY_TOO_SLOW = "body_too_slow", 408, True, "The body did not arrive in time."
    SLOW_READER = (
        "slow_reader", 408, True,
        "A stream was not read as fast as events were recorded, and has ended. Come back with"
        " Last-Event-ID: nothing is lost.",
    )  # fmt: skip
    CONFLICT = (
        "conflict", 409, True,
        "Other processes kept changing the application. Nothing was recorded; repeat the request.",
    )  # fmt: skip
    NOTICE_NOT_WRITTEN = (
        "notice_not_written", 409, False,
        "The application calls for no such notice, or what it has to say is not on record.",
    )  # fmt: skip
    NOT_ATTEMPTED = (
        "not_attempted", 409, True,
        "Another command of the request, on which this one depends, did not hold. Nothing was"
        " recorded. Send it again once that one holds; retryable says whether it may as it is.",
    )  # fmt: skip
    NAME_UNFIT = (
        "name_unfit", 409, False,
        "A principal and a policy have a name, all automated decisions have none.",
    )  # fmt: skip
    TOO_MANY_SUSPENDED = (
        "too_many_suspended", 409, False,
        "As many principals and policies are suspended as may be. Reinstate some first.",
    )  # fmt: skip
    PRODUCT_FAULTY = (
        "product_faulty", 409, False,
        "The product cannot be meant; faults says what is wrong with it.",
    )  # fmt: skip
    PRODUCT_VERSION_TAKEN = (
        "product_version_taken", 409, False,
        "Another product is on record under this name and version. Publish it under a new version.",
    )  # fmt: skip
    TOO_MANY_PRODUCTS = (
        "too_many_products", 409, False,
        "As many versions of products are on record as may be.",
    )  # fmt: skip
    SUBJECT_ON_HOLD = (
        "subject_on_hold", 409, False,
        "A legal hold is on the person, or on somebody who shares an application with them; detail says"
        " whose. They are not erased before it is lifted.",
    )  # fmt: skip
    NOT_ERASABLE = (
        "not_erasable", 409, False,
        "The person's data cannot be erased yet; in_the_way says why, application by application.",
    )  # fmt: skip
    KEYS_LEFT = (
        "keys_left", 409, False,
        "Keys of the person are still there, though they were destroyed: somebody put them back.",
    )  # fmt: skip
    TOO_MANY_OF_SUBJECT = (
        "too_many_of_subject", 409, False,
        "The person is in more applications than are taken together.",
    )  # fmt: skip
    TOO_MANY_HOLDS = (
        "too_many_holds", 409, False,
        "As many legal holds stand as may. Lift some first.",
    )  # fmt: skip
    TOO_MANY_ERASURES = (
        "too_many_erasures", 409, False,
        "As many erasures are under way as may be. Complete them first.",
    )  # fmt: skip
    POLICY_REFUSED = (
        "policy_refused", 409, False,
        "The policy cannot be published; policy_faults says what is wrong with it, and where.",
    )  # fmt: skip
    POLICY_VERSION_TAKEN = (
        "policy_version_taken", 409, False,
        "Another policy is on record under this name and version. Publish it under a new version.",
    )  # fmt: skip
    POLICY_WITHDRAWN = (
        "policy_withdrawn", 409, False,
        "This version of the policy is withdrawn; it cannot be activated any more.",
    )  # fmt: skip
    POLICY_IN_USE = (
        "policy_in_use", 409, False,
        "This version of the policy decides, or will, or one that does is built on it."
        " Activate another first.",
    )  # fmt: skip
    ACTIVATION_PAST = (
        "activation_past", 409, False,
        "A policy is activated from now on, or from an instant to come.",
    )  # fmt: skip
    FACTS_UNFIT = (
        "facts_unfit", 409, False,
        "The facts are not those that the policy needs; policy_faults says how they differ.",
    )  # fmt: skip
    TOO_MANY_POLICIES = (
        "too_many_policies", 409, False,
        "As many versions or activations of policies are on record as may be.",
    )  # fmt: skip
    MODEL_VERSION_TAKEN = (
        "model_version_taken", 409, False,
        "The model is registered otherwise under this name and version. Register a new version.",
    )  # fmt: skip
    MODEL_DAYS_REVERSED = (
        "model_days_reversed", 409, False,
        "The last day on which scores of the model count lies before the first.",
    )  # fmt: skip
    TOO_MANY_MODELS = (
        "too_many_models", 409, False,
        "As many versions of models are on record as may be.",
    )  # fmt: skip
    TOO_MUCH_EVIDENCE = (
        "too_much_evidence", 409, False,
        "More is on record of the application than one file of evidence holds. Ask for it as it was"
        " under an earlier checkpoint, by size.",
    )  # fmt: skip
    TOO_MANY_CLAIMS = (
        "too_many_claims", 409, True,
        "You hold as many claims as you may. Do what you hold, or release some.",
    )  # fmt: skip
    WEBHOOK_URL_REFUSED = (
        "webhook_url_refused", 409, False,
        "Nothing is sent to such an address: webhooks are https, on the public internet.",
    )  # fmt: skip
    TOO_MANY_WEBHOOKS = (
        "too_many_webhooks", 409, False,
        "As many webhooks are registered as there may be. Delete one.",
    )  # fmt: skip
    HISTORY_REWOUND = (
        "history_rewound", 410, False,
        "The cursor is of a history whose end was lost. Drop what you saw from first_position on,"
        " and go on reading before it.",
    )  # fmt: skip
    PRECONDITION_FAILED = (
        "precondition_failed", 412, False,
        "The application has another version than If-Match names. Read it and decide again.",
    )  # fmt: skip
    BODY_TOO_LARGE = "body_too_large", 413, False, "The body is larger than one may be."
    EVENT_TOO_LARGE = (
        "event_too_large", 413, False,
        "What would be recorded is larger than an event may be. Send less text, or digests.",
    )  # fmt: skip
    URI_TOO_LONG = "uri_too_long", 414, False, "The address is longer than one may be."
    UNSUPPORTED_MEDIA_TYPE = (
        "unsupported_media_type", 415, False,
        "A body is sent as Content-Type: application/json, without a Content-Encoding.",
    )  # fmt: skip
    HOST_NOT_ALLOWED = (
        "host_not_allowed", 421, False,
        "The header Host names a host that this service does not answer for.",
    )  # fmt: skip
    INVALID_REQUEST = (
        "invalid_request", 422, False,
        "The request does not fit its schema; errors says where.",
    )  # fmt: skip
    DAY_OUT_OF_RANGE = (
        "day_out_of_range", 422, False,
        "The loan says nothing of that day, or of so long a time.",
    )  # fmt: skip
    INVALID_ID = "invalid_id", 422, False, "The id in the path is not a UUID."
    INVALID_TILE = (
        "invalid_tile", 422, False,
        "The path names no tile: it is LEVEL/INDEX or entries/INDEX as C2SP tlog-tiles has it.",
    )  # fmt: skip
    KEY_REUSED = (
        "idempotency_key_reused", 422, False,
        "The Idempotency-Key was used for another request. Use a new key for a new command.",
    )  # fmt: skip
    KEY_INVALID = (
        "idempotency_key_invalid", 422, False,
        "An Idempotency-Key has 1 to 255 printable ASCII characters, bare or in double quotes.",
    )  # fmt: skip
    UNSTORABLE = (
        "unstorable", 422, False,
        "PostgreSQL refused what this command would record. Nothing was recorded.",
    )  # fmt: skip
    IF_MATCH_INVALID = (
        "if_match_invalid", 422, False,
        'If-Match names versions as answers give them in ETag, such as "3"; or it is *.',
    )  # fmt: skip
    ACTOR_INVALID = (
        "lending_actor_invalid", 422, False,
        "Lending-Actor has 1 to 200 printable ASCII characters.",
    )  # fmt: skip
    AGENT_BUILD_INVALID = (
        "lending_agent_build_invalid", 422, False,
        "Lending-Agent-Build has 1 to 200 printable ASCII characters.",
    )  # fmt: skip
    EFFECTIVE_AT_INVALID = (
        "lending_effective_at_invalid", 422, False,
        "Lending-Effective-At is an RFC 3339 instant with its offset, not later than now.",
    )  # fmt: skip
    CORRELATION_ID_INVALID = (
        "correlation_id_invalid", 422, False,
        "Correlation-Id has 1 to 200 printable ASCII characters.",
    )  # fmt: skip
    CAUSATION_ID_INVALID = (
        "causation_id_invalid", 422, False,
        "Causation-Id has 1 to 200 printable ASCII characters.",
    )  # fmt: skip
    LAST_EVENT_ID_INVALID = (
        "last_event_id_invalid", 422, False,
        "Last-Event-ID is the id of an event of the stream: shard:position@epoch.",
    )  # fmt: skip
    RATE_LIMITED = (
        "rate_limited", 429, True,
        "You ask more often than one may. Nothing was done; Retry-After says how long to wait.",
    )  # fmt: skip
    TOO_MANY_REQUESTS = (
        "too_many_requests", 429, True,
        "The principal has as many requests under way as it may. Nothing was done; ask again once"
        " one of them is answered.",
    )  # fmt: skip
    TOO_MANY_BACKTESTS = (
        "too_many_backtests", 429, True,
        "As many backtests are under way as may be. Ask again when one of them has ended.",
    )  # fmt: skip
    TOO_MANY_STREAMS = (
        "too_many_streams", 429, True,
        "The principal follows the feed as often as it may. End a stream, or use fewer.",
    )  # fmt: skip
    INTERNAL_FAULT = (
        "internal_fault", 500, False,
        "The service failed. Its log says why, under the incident given here.",
    )  # fmt: skip
    LETTERHEAD_NOT_SET = (
        "letterhead_not_set", 503, False,
        "A notice names the creditor and its agency. Set LENDING_CREDITOR_NAME, LENDING_CREDITOR_ADDRESS,"
        " LENDING_AGENCY_NAME and LENDING_AGENCY_ADDRESS.",
    )  # fmt: skip
    POLICY_UNAVAILABLE = (
        "policy_unavailable", 503, True,
        "The process that evaluates policies does not start, or gets no time. Nothing was recorded.",
    )  # fmt: skip
    OVERLOADED = "overloaded", 503, True, "Too many requests are under way."
    QUEUE_FULL = (
        "queue_full", 503, True,
        "Too many commands wait to be recorded, in all or of yours. Nothing was recorded.",
    )  # fmt: skip
    UNAVAILABLE = (
        "unavailable", 503, True, "The database does not answer. Nothing was recorded.",
    )  # fmt: skip
    OUTCOME_UNKNOWN = (
        "outcome_unknown", 503, False,
        "The command may or may not be recorded. With an Idempotency-Key or If-Match repeat it;"
        " without, read the application first.",
    )  # fmt: skip
    CLOCK_FAULT = (
        "clock_fault", 503, True,
        "The clocks of service and database differ too much. Nothing was recorded.",
    )  # fmt: skip
    EPOCH_NOT_OPEN = (
        "epoch_not_open", 503, True,
        "The log may not be what it was: the database is not the one it was on, or checkpoints or their tree"
        " say otherwise. An operator finds out by `lending status` first.",
    )  # fmt: skip
    NOT_REACHED = (
        "position_not_reached", 503, True,
        "The read model has not come as far as min_position. Send Prefer: wait=N to wait for it.",
    )  # fmt: skip
    EVIDENCE_NOT_SEALED = (
        "evidence_not_sealed", 503, True,
        "The newest events of the application are not under a checkpoint yet; position and size say"
        " how far. Ask again; or name a size to have the evidence as it was under that checkpoint.",
    )  # fmt: skip
    READ_MODELS_BEHIND = (
        "read_models_behind", 503, True,
        "The erasure is on record, but read models or replays still hold what is to be erased; detail"
        " says which. Ask again: it goes on from there.",
    )  # fmt: skip
    NOT_READY = "not_ready", 503, True, "Something the service needs is missing; checks says what."

    def __init__(self, code: str, status: int, retryable: bool, meaning: str) -> None:
        self.code = code
        self.status = status
        self.retryable = retryable
        self.meaning = meaning


@dataclass(frozen=True, slots=True)
class Kind:
    """A row of the table: a fault, or a refusal of the domain."""

    code: str
    status: int
    retryable: bool
    meaning: str


def status_of(refusal: Refusal) -> int:
    """The status of a refusal: 403 where it is about who asks, 409 where about the application."""
    return 403 if refusal.of_authority else 409


def table() -> Sequence[Kind]:
    """Every kind of problem: the faults by status, then the refusals by precedence."""
    faults = [Kind(f.code, f.status, f.retryable, f.meaning) for f in Fault]
    return [*faults, *(Kind(r.code, status_of(r), False, r.meaning) for r in Refusal)]


def because(refusal: Refusal, detail: str) -> str:
    """What a refusal means, and what in particular was refused."""
    return f"{refusal.meaning} ({detail})" if detail else refusal.meaning


class Problem(Exception):
    """A request that is answered with a problem. `more` are members beside the standard ones."""

    def __init__(
        self,
        kind: Fault | Refusal,
        detail: str | None = None,
        *,
        retryable: bool | None = None,
        headers: Sequence[Header] = (),
        more: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(kind.code)
        self.kind = kind
        self.detail = detail
        self.headers = headers
        self.more: Mapping[str, Any] = more or {}
        self.status = kind.status if isinstance(kind, Fault) else status_of(kind)
        given = kind.retryable if isinstance(kind, Fault) else False
        self.retryable = given if retryable is None else retryable

    def told(self) -> Told:
        """What the problem says."""
        body: dict[str, Any] = {
            "type": f"/problems/{self.kind.code}",
            "title": self.kind.code.replace("_", " ").capitalize(),
            "status": self.status,
            "detail": self.detail or self.kind.meaning,
            "code": self.kind.code,
            "retryable": self.retryable,
            **self.more,
        }
        return Told(orjson.dumps(body), self.status, self.headers, MEDIA_TYPE)

    def answer(self) -> Answer:
        """The problem as it goes out."""
        return self.told().answer()


def invalid(errors: Sequence[Mapping[str, str]], kind: Fault = Fault.INVALID_REQUEST) -> Problem:
    """A request that does not fit its schema: where and why, at most ERRORS_SHOWN_MAX of them."""
    shown = list(errors[:ERRORS_SHOWN_MAX])
    first = shown[0]
    where = first.get("parameter") or first.get("header") or first.get("pointer") or "the body"
    return Problem(kind, f"{where}: {first['message']}", more={"errors": shown})


def invalid_parameter(name: str, message: str) -> Problem:
    """A query or path parameter that does not fit its schema."""
    return invalid([{"parameter": name, "message": message}])


def invalid_header(kind: Fault, name: str, message: str) -> Problem:
    """A header that does not fit its schema."""
    return invalid([{"header": name, "message": message}], kind)
