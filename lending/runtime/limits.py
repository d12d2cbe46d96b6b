"""Every limit of the system, in one place, each with its unit in its name.

What belongs here: numbers that bound something and are no setting. A number somebody may reasonably
want to change is a setting and stands in settings.py.
"""

from typing import Final

# -- what a caller may send ---------------------------------------------------------------------

BODY_MAX_BYTES: Final = 1024 * 1024
"""The body of one HTTP request; more is answered 413."""

EVENT_DATA_MAX_BYTES: Final = 48 * 1024
"""The encoded data of one event."""

EVENT_ENVELOPE_MAX_BYTES: Final = 8 * 1024
"""The encoded envelope of one event: everything its leaf hash covers but the data."""

IDEMPOTENCY_KEY_MAX_CHARACTERS: Final = 255
"""An `Idempotency-Key`."""

OPAQUE_ID_MAX_CHARACTERS: Final = 200
"""Actors, correlation ids and other names that callers give."""

URI_MAX_BYTES: Final = 8 * 1024
"""The path and query of one request; more is answered 414."""

BODY_WAIT_SECONDS: Final = 30
"""How long the body of one request may take to arrive; then 408."""

BODY_DISCARDED_MAX_BYTES: Final = 8 * 1024 * 1024
"""What is still read, and dropped, of a body that is too large, so that its sender hears why."""

REQUESTS_MAX: Final = 2_000
"""Requests under way in one service; more are answered 503 with `Retry-After`."""

BULK_MAX_COMMANDS: Final = 1_000
"""Commands in one bulk request."""

BULK_SLICE_COMMANDS: Final = 64
"""Commands of a bulk that are handled before other requests get a turn."""

BULK_READS_AT_ONCE: Final = 4
"""Applications that one bulk request reads from the log at once."""

RATE_BUCKETS_MAX: Final = 10_000
"""Principals whose rate is remembered; the one that asked longest ago is forgotten."""

EFFECTIVE_AHEAD_MAX_SECONDS: Final = 5
"""How far a caller's clock may be ahead of ours in `Lending-Effective-At`."""

RETRY_AFTER_SECONDS: Final = 1
"""What `Retry-After` says with 503."""

# -- what a reader gets -------------------------------------------------------------------------

PAGE_MAX_ITEMS: Final = 1_000
"""Items in one answer of a list or of the feed."""

PAGE_DEFAULT_ITEMS: Final = 100
"""Items in one answer of a list when the caller does not say."""

FRESHNESS_POLL_SECONDS: Final = 0.02
"""How often a read that waits for freshness looks again."""

FRESHNESS_WAIT_MAX_SECONDS: Final = 30
"""The longest `Prefer: wait=N` that is honoured; more is cut to it."""

HEARTBEAT_SECONDS: Final = 15
"""The longest silence on a stream of server-sent events."""

FEED_POLL_SECONDS: Final = 2.0
"""How often a reader of the feed that waits looks into the log though nothing told it to."""

STREAMS_MAX: Final = 200
"""Streams of server-sent events in one service; more are answered 503."""

# -- work ---------------------------------------------------------------------------------------

WORK_CLAIM_MAX_ITEMS: Final = 100
"""Tasks that one request may claim."""

WORK_CLAIM_MAX_SECONDS: Final = 3_600
"""How long a task may be held without renewing the claim."""

WORK_CLAIM_DEFAULT_SECONDS: Final = 300
"""How long a task is held when the caller does not say."""

WORK_CLAIMS_MAX_ITEMS: Final = 1_000
"""Tasks that one principal may hold at a time."""

WORK_SWEEP_MAX_ITEMS: Final = 200
"""Claims of each kind, expired and overtaken, that one request removes on its way."""

# -- the append lane ----------------------------------------------------------------------------

APPEND_BATCH_MAX_COMMANDS: Final = 1_000
"""Commands in one transaction of the append lane."""

APPEND_BATCH_MAX_EVENTS: Final = 5_000
"""Events in one transaction of the append lane."""

APPEND_ROWS_AT_ONCE: Final = 250
"""Rows in one INSERT of the append lane; the next are made while the server inserts these."""

APPEND_QUEUE_MAX_COMMANDS: Final = 10_000
"""Commands that may wait for the lane; more are answered 503 with `Retry-After`."""

QUEUE_SHARES: Final = 4
"""One principal's commands may take the queue's size through this; more are answered 503 with `Retry-After`."""

QUEUE_ROOM_SECONDS: Final = 20
"""How long the commands of a bulk wait for room in the queue; then they are answered 503."""

COMMIT_TIMEOUT_SECONDS: Final = 20.0
"""How long the appender waits for one flush and its commit, which no server time-out bounds."""

LANE_FIRST_PLANS_EVENTS: Final = 64
"""Size of the log up to which the lane keeps its first query plans; they are made anew at each doubling."""

LANE_PATIENCE_SECONDS: Final = 15.0
"""How long a flush known not to be committed is tried again before its commands get 503."""

LANE_IDLE_SECONDS: Final = 5
"""How long a holder of the lane may be silent before the server takes it away: a process that stopped."""

LANE_LOCK_SECONDS: Final = 8
"""How long to wait for the lane before the flush is tried anew; longer than a silent holder keeps it."""

LANE_RESOLVE_SECONDS: Final = 30.0
"""How long the appender tries to find out what became of a commit whose reply was lost."""

LANE_RETRY_FIRST_SECONDS: Final = 0.05
"""The pause before a flush is first tried again; it doubles each time."""

LANE_RETRY_LONGEST_SECONDS: Final = 1.0
"""The longest pause between two tries of a flush."""

GROWTH_POLL_SECONDS: Final = 0.5
"""The longest a waiter for new events sleeps when no notification reaches it."""

NOTIFY_PAUSE_SECONDS: Final = 0.01
"""The pause between two notifications: commits in between are told together."""

AGGREGATES_MAX: Final = 10_000
"""Applications whose state a process keeps in memory; the least recently used is dropped."""

REPEATED_AGGREGATES_MAX: Final = 2_000
"""Applications whose state a process keeps as it was when a repeated command had first been answered."""

POOL_TRUST_SECONDS: Final = 1.0
"""How long after its last use a pooled connection is lent without being tried first."""

STREAM_READ_MAX_EVENTS: Final = 1_000
"""Events of one stream that are read at once; a longer stream is read in stretches."""

DECISION_RETRIES_MAX: Final = 8
"""How often one command is decided again because its stream moved meanwhile."""

CLOCK_DIFFERENCE_MAX_SECONDS: Final = 60
"""How far the clocks of process and database may differ before the lane refuses to write."""

# -- PostgreSQL ---------------------------------------------------------------------------------

STATEMENT_TIMEOUT_SECONDS: Final = 30
"""One statement of the service or the projector."""

LOCK_TIMEOUT_SECONDS: Final = 10
"""Waiting for one lock."""

IDLE_IN_TRANSACTION_TIMEOUT_SECONDS: Final = 20
"""How long a session may be silent inside a transaction before the server ends it."""

CONNECT_TIMEOUT_SECONDS: Final = 10
"""Opening one connection."""

POOL_WAIT_SECONDS: Final = 10
"""Waiting for a free connection of a pool."""

POOL_QUEUE_MAX_REQUESTS: Final = 1_000
"""Requests that may wait for a connection of a pool."""

POSTGRES_OLDEST_MAJOR_VERSION: Final = 15
"""The oldest PostgreSQL that is supported."""

# -- projections --------------------------------------------------------------------------------

PROJECTION_BATCH_MAX_EVENTS: Final = 5_000
"""Events that a projection folds in one transaction."""

PROJECTION_LOAD_MAX_EVENTS: Final = 20_000
"""Earlier events that one batch reads again to fold the loans it touches; it ends early instead."""

PROJECTION_POLL_SECONDS: Final = 0.5
"""The longest a projection sleeps when no notification reaches it."""

PROJECTION_STANDBY_POLL_SECONDS: Final = 0.2
"""How often a worker looks whether the one that works on a projection still does."""

PROJECTION_PAUSE_SECONDS: Final = 0.01
"""The shortest time from one batch's begin to the next one's while the log grows slowly."""

PROJECTION_RETRY_LONGEST_SECONDS: Final = 5.0
"""The longest pause before a projection tries a failed connection or statement again."""

SWITCH_LOCK_TIMEOUT_MILLISECONDS: Final = 500
"""How long replacing a read model's view may wait for those who read it, and they for it."""

SWITCH_ATTEMPTS_MAX: Final = 60
"""How often replacing a view, or dropping an old table, is tried."""

READINESS_LAG_MAX_SECONDS: Final = 60
"""The lag of a projection at which readiness fails."""

READINESS_CHECK_SECONDS: Final = 3
"""How long one readiness check waits for the database."""

# -- processes ----------------------------------------------------------------------------------

SERVE_BACKLOG_MAX_CONNECTIONS: Final = 2_048
"""Connections the kernel holds that the service has not accepted yet."""

KEEP_ALIVE_SECONDS: Final = 75
"""How long an idle HTTP connection stays open."""

SHUTDOWN_SECONDS: Final = 25
"""How long requests under way may take to finish once the service is told to stop."""

CHILD_STOP_SECONDS: Final = 10
"""How long a child process may take to stop before it is killed."""

CHILD_BACKOFF_MAX_SECONDS: Final = 10.0
"""The longest pause before a child that keeps crashing is started again."""

POSTGRES_START_SECONDS: Final = 120
"""How long the embedded PostgreSQL may take to start, crash recovery included."""

POSTGRES_STOP_SECONDS: Final = 30
"""How long the embedded PostgreSQL may take to stop before it is stopped without a checkpoint."""

POSTGRES_LOG_MAX_BYTES: Final = 8 * 1024 * 1024
"""The embedded PostgreSQL's log; when it is longer it becomes the one older log that is kept."""
