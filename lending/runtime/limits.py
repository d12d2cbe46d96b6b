"""Every limit of the system, in one place, each with its unit in its name.

What belongs here: numbers that bound something. What somebody may want to change is a setting.
"""

from typing import Final

# -- what a caller may send ---------------------------------------------------------------------

BODY_MAX_BYTES: Final = 1024 * 1024
"""The body of one HTTP request; more is answered 413."""

EVENT_DATA_MAX_BYTES: Final = 48 * 1024
"""The encoded data of one event."""

EVENT_ENVELOPE_MAX_BYTES: Final = 8 * 1024
"""The encoded envelope of one event: all its leaf hash covers but the data; each part is bounded."""

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
"""Requests under way in one service, readers that wait for events not counted; more are answered 503."""

REQUEST_SHARES: Final = 4
"""One principal's requests under way may be `REQUESTS_MAX` through this; more are answered 429."""

PROBES_MAX_REQUESTS: Final = 100
"""Requests under way of each of `/livez`, `/readyz` and `/metrics`, which count nowhere else."""

BULK_MAX_COMMANDS: Final = 1_000
"""Commands in one bulk request."""

DAY_CLOSE_PAGE: Final = 500
"""Applications whose day is closed at once."""

STATEMENT_MAX_DAYS: Final = 30 * 366
"""What one statement of a loan may cover, and how far ahead of today its schedule may be asked for."""

PAYOFF_QUOTE_AHEAD_MAX_DAYS: Final = 366
"""How far ahead of today a payoff quote may be asked for."""

BULK_SLICE_COMMANDS: Final = 64
"""Commands of a bulk that are handled before other requests get a turn."""

BULK_READS_AT_ONCE: Final = 4
"""Applications that one bulk request reads from the log at once."""

RATE_BUCKETS_MAX: Final = 10_000
"""Principals whose rate is remembered; the one that asked longest ago is forgotten."""

EFFECTIVE_AHEAD_MAX_SECONDS: Final = 5
"""How far a caller's clock may be ahead of ours in `Lending-Effective-At`."""

HISTORY_AGE_MIN_SECONDS: Final = 60
"""How far back an instant must lie for what an importer gives it to be history, which no limits hold
for: as far as clocks may differ.
"""

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
"""How often the tail of the feed looks into the log though nothing told it to."""

FEED_SCAN_MAX_EVENTS: Final = 5_000
"""Events that one filtered page of the feed looks at; it may end before it is full, even empty."""

FEED_READS_MAX: Final = 4
"""Pages of the feed that are read at once in one service; further readers wait for their turn."""

STREAMS_MAX: Final = 5_000
"""Streams of events and waiting readers of the feed in one service; more are answered 503."""

STREAMS_PER_PRINCIPAL_MAX: Final = 1_000
"""Of these, one principal's; more are answered 429. Without authentication nobody is told apart."""

STREAM_CHUNK_MAX_BYTES: Final = 64 * 1024
"""What a stream is sent at once, unless one event is larger: what a slow reader holds in memory."""

STREAM_SEND_MAX_SECONDS: Final = 30.0
"""How long a stream waits for its reader to take what was sent before its connection is cut."""

STREAM_CHECK_SECONDS: Final = 0.5
"""How often all streams are looked over: may they still be read, do they need a sign of life."""

TAIL_MAX_EVENTS: Final = 16_384
"""Events of a shard that a service keeps for those who follow its feed; see `TAIL_MAX_BYTES`."""

TAIL_MAX_BYTES: Final = 16 * 1024 * 1024
"""The same in bytes of JSON. A stream that has not read what falls out is ended as `slow_reader`."""

TAIL_READ_MAX_EVENTS: Final = 1_000
"""Events that the tail of the feed reads at once."""

TAIL_PAUSE_SECONDS: Final = 0.05
"""The pause between two reads of the tail: commits in between are read, and sent on, together."""

TAIL_LINGER_SECONDS: Final = 10.0
"""How long the tail of the feed is read on after the last who followed it has gone."""

TAIL_RETRY_SECONDS: Final = 0.5
"""The pause before the tail of the feed is read again after the database did not answer."""

STAGES_KEPT_MAX: Final = 5_000
"""Applications whose state is kept at the end of the log to tell the stage after their next event."""

READER_STAGES_KEPT_MAX: Final = 100
"""Applications whose state is kept for one reader of the log's past that filters by stage."""

# -- tools for models ---------------------------------------------------------------------------

TOOL_PAGE_MAX_ITEMS: Final = 100
"""Items that one call of a tool answers at most: what a model reads at once."""

TOOL_PAGE_DEFAULT_ITEMS: Final = 20
"""Items that one call of a tool answers when the caller does not say."""

TOOL_WAIT_MAX_SECONDS: Final = 20
"""How long a tool waits for something to happen; shorter than the service takes to stop."""

TOOL_CALL_MAX_SECONDS: Final = 60
"""How long one request to `/mcp` may take; then it is answered 503 `outcome_unknown`."""

TOOL_LIST_MAX_TOKENS: Final = 6_000
"""What `tools/list` may cost a model, at four characters a token."""

EXPLAINED_EVENTS_MAX: Final = 100
"""Events that one explanation or timeline tells, the latest ones."""

LLMS_TEXT_MAX_CHARACTERS: Final = 12_000
"""The contract for models at `/llms.txt`: about three pages."""

# -- work ---------------------------------------------------------------------------------------

WORK_CLAIM_MAX_ITEMS: Final = 100
"""Tasks that one request may claim."""

WORK_CLAIM_MAX_SECONDS: Final = 3_600
"""How long a task may be held without renewing the claim."""

WORK_CLAIM_DEFAULT_SECONDS: Final = 300
"""How long a task is held when the caller does not say."""

WORK_CLAIMS_MAX_ITEMS: Final = 1_000
"""Tasks that one principal may hold at a time."""

WORK_TURN_MAX_SECONDS: Final = 5.0
"""How long a claim waits for those before it at the same queue; then it is answered 503."""

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

AUTHORITIES_MAX: Final = 1_000
"""Principals whose authority a process keeps in memory as it is recorded; the oldest is dropped."""

SUSPENSIONS_MAX: Final = 1_000
"""Principals and policies that are suspended at the same time."""

PRODUCT_VERSIONS_MAX: Final = 1_000
"""Versions of all products that a ledger has on record, those that were withdrawn included."""

CALENDAR_YEARS_MAX: Final = 2_000
"""Years of holidays calendars that a process keeps in memory; the least recently used is dropped."""

WARNINGS_MAX: Final = 20
"""Other open applications of the same applicant that the answer to an apply names."""

WARNINGS_WAIT_SECONDS: Final = 0.5
"""How long an apply waits for them; then it is answered without."""

POOL_TRUST_SECONDS: Final = 1.0
"""How long after its last use a pooled connection is lent without being tried first."""

MOMENT_EVENTS_MAX: Final = 1_000
"""Events told in one answer about two moments of an application, or of each kind about what a decider
could see; the answer says whether there are more."""

STREAM_READ_MAX_EVENTS: Final = 1_000
"""Events of one stream that are read at once; a longer stream is read in stretches."""

DECISION_RETRIES_MAX: Final = 32
"""How often one command is decided again because its stream moved meanwhile."""

CLOCK_DIFFERENCE_MAX_SECONDS: Final = 60
"""How far the clocks of process and database may differ before the lane refuses to write."""

# -- identities ---------------------------------------------------------------------------------

CREDENTIAL_MAX_BYTES: Final = 8 * 1024
"""An API key or token in the header `Authorization`; a longer one is refused unread."""

PRINCIPALS_MAX: Final = 1_000
"""Principals that are registered."""

KEYS_OF_ONE_MAX: Final = 10
"""Keys of one principal that hold at the same time."""

KEYS_MAX: Final = 5_000
"""Keys of all principals that hold at the same time."""

ACTS_FOR_MAX: Final = 100
"""Others on whose behalf one principal may act, unless it may for anybody."""

AMOUNTS_MAX: Final = 50
"""Currencies in which one principal may approve amounts: they are recorded with all that it does."""

REASON_MAX_CHARACTERS: Final = 500
"""Why an operator revokes a key."""

REGISTRY_PAUSE_SECONDS: Final = 0.1
"""The shortest time between two looks into the registry for what was revoked or suspended."""

REGISTRY_POLL_SECONDS: Final = 0.4
"""The longest time until the next look when nothing tells that the log has grown."""

REGISTRY_READ_SECONDS: Final = 2.0
"""How long reading one stretch of the registry may take; the next attempt goes on behind the last one."""

REGISTRY_STALE_MAX_SECONDS: Final = 5.0
"""How old what is known of the registry may be; then nobody is admitted until it is read again."""

LETTERHEAD_MAX_CHARACTERS: Final = 500
"""A name or an address that notices to applicants carry."""

TOKEN_ISSUER_MAX_CHARACTERS: Final = 500
"""The name of the issuer whose tokens are trusted."""

TOKEN_LEEWAY_SECONDS: Final = 30
"""How far the clock of a token's issuer may differ from ours."""

TOKEN_LIFE_MAX_SECONDS: Final = 24 * 60 * 60
"""How long a token may be good for: it cannot be revoked one by one."""

TOKEN_CACHE_SECONDS: Final = 10
"""How long it is remembered that a token was found good."""

TOKEN_CACHE_MAX_TOKENS: Final = 4_096
"""Tokens of which it is remembered; the least recently used is dropped."""

TOKEN_KEYS_MAX: Final = 64
"""Keys in the key set of a token issuer; what follows them is not read."""

TOKEN_KEYS_MAX_BYTES: Final = 256 * 1024
"""The key set of a token issuer."""

TOKEN_KEYS_FETCH_SECONDS: Final = 5.0
"""How long fetching the key set may take."""

TOKEN_KEYS_PAUSE_SECONDS: Final = 10.0
"""The shortest time between two fetches of the key set, also when a token names an unknown key."""

TOKEN_KEYS_WAITING_MAX_REQUESTS: Final = 64
"""Requests that wait for the key set to be fetched, because their token names an unknown key."""

TOKEN_KEYS_REFRESH_SECONDS: Final = 300.0
"""The longest time between two fetches of the key set."""

TOKEN_KEYS_STALE_MAX_SECONDS: Final = 24 * 60 * 60
"""How old the key set may be when it cannot be fetched any more; then tokens are answered 503."""
# -- webhooks -----------------------------------------------------------------------------------

WEBHOOKS_MAX: Final = 50
"""Webhooks that may be registered."""

WEBHOOK_URL_MAX_CHARACTERS: Final = 2_048
"""The address of a webhook."""

WEBHOOK_SECRETS_MAX: Final = 4
"""Secrets of one webhook that sign at the same time; a further one ends the oldest."""

WEBHOOK_OVERLAP_DEFAULT_SECONDS: Final = 24 * 3600
"""How long a replaced secret goes on signing when the caller does not say."""

WEBHOOK_OVERLAP_MAX_SECONDS: Final = 30 * 24 * 3600
"""How long a replaced secret goes on signing at most."""

WEBHOOK_RETRIES_SECONDS: Final = (5, 30, 120, 600, 3_600, 10_800, 28_800, 86_400)
"""The pauses before a failed delivery is sent again; after the last attempt it is given up."""

WEBHOOK_RETRY_JITTER_PERCENT: Final = 20
"""By how much each of those pauses is made longer or shorter at random."""

WEBHOOK_TIMEOUT_SECONDS: Final = 15
"""One attempt, from resolving the name to the status of the answer."""

WEBHOOK_ANSWER_SECONDS: Final = 2
"""How long the body of a receiver's answer is read before its connection is closed."""

WEBHOOK_ANSWER_MAX_BYTES: Final = 64 * 1024
"""What is read, and thrown away, of a receiver's answer."""

WEBHOOK_CONCURRENT_DELIVERIES: Final = 8
"""Events, each of another application, that are sent to one webhook at the same time."""

WEBHOOK_KEEP_ALIVE_SECONDS: Final = 20
"""How long an idle connection to a receiver is kept."""

WEBHOOK_PAGE_MAX_EVENTS: Final = 100
"""Events sent to one webhook before its cursor moves: as many may be sent again after a crash."""

WEBHOOK_STAGES_KEPT_MAX: Final = 1_000
"""Applications whose state is kept for one webhook that is filtered by stage."""

WEBHOOK_WAITING_MAX_DELIVERIES: Final = 1_000
"""Deliveries of one webhook that may wait to be sent again; then its cursor stops until they are fewer."""

WEBHOOK_DEAD_MAX_DELIVERIES: Final = 10_000
"""Deliveries of one webhook that were given up and are kept; then it is paused."""

WEBHOOK_RETRIES_AT_ONCE: Final = 64
"""Applications whose waiting deliveries are taken up together."""

WEBHOOK_LEASE_SECONDS: Final = 30
"""How long a process that vanished keeps a webhook to itself."""

WEBHOOK_LOOK_SECONDS: Final = 2.0
"""How often a process looks for webhooks to work on, and renews its leases."""

WEBHOOK_RETRY_POLL_SECONDS: Final = 1.0
"""How often a webhook's waiting deliveries are looked at."""

WEBHOOK_ANSWERED_POLL_SECONDS: Final = 0.2
"""How often it is looked whether who answers for a webhook is suspended, or is so no longer."""

WEBHOOK_PAUSE_SECONDS: Final = 0.05
"""The shortest time between two moves of a webhook's cursor."""

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

PROJECTION_SETTLE_MAX_EVENTS: Final = 10_000
"""Events in the histories of the loans that one batch computes anew; it ends early instead."""

PROJECTION_POLL_SECONDS: Final = 0.5
"""The longest a projection sleeps when no notification reaches it."""

PROJECTION_STANDBY_POLL_SECONDS: Final = 0.2
"""How often a worker looks whether the one that works on a projection still does."""

PROJECTION_REST_SECONDS: Final = (0.01, 0.1)
"""The shortest and the longest rest of a projection that keeps up between two batches."""

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

OPEN_FILES_MAX: Final = 16_384
"""Files, and so connections, that a service asks the system to let it have open."""

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
