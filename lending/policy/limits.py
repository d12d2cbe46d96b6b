"""The limits of credit policies and score models, each with its unit in its name."""

from typing import Final

# -- policies and models ------------------------------------------------------------------------

POLICY_DOCUMENT_MAX_BYTES: Final = 46 * 1024
"""A policy with its facts, graph and cases, as it is written into its event."""

POLICY_NODES_MAX: Final = 200
"""Nodes of one policy; it may have twice as many edges."""

POLICY_RULES_MAX: Final = 1_000
"""Rules of tables, statements of switches and expressions of one policy, together."""

POLICY_EXPRESSION_MAX_CHARACTERS: Final = 500
"""One expression, condition or cell of a policy."""

POLICY_NESTING_MAX: Final = 4
"""How deep policies may be nested, the outermost counted."""

POLICY_VERSIONS_MAX: Final = 500
"""Versions of all policies that a ledger has on record, those that were withdrawn included."""

POLICY_ACTIVATIONS_MAX: Final = 10_000
"""Activations of policies that a ledger has on record."""

POLICY_EVALUATION_SECONDS: Final = 1.0
"""Time of the processor that a policy may take to answer; then its process ends."""

POLICY_ASKED_AT_ONCE_MAX: Final = 64
"""Requests that the process that evaluates policies holds; others wait for their turn."""

POLICY_WAIT_SECONDS: Final = 10.0
"""How long an answer is waited for on a machine that has no time for it."""

POLICY_PROCESS_START_SECONDS: Final = 20.0
"""How long the process that evaluates policies may take to start."""

POLICY_PROCESS_MAX_BYTES: Final = 512 * 1024 * 1024
"""The memory that the process that evaluates policies may have."""

POLICY_TRACE_MAX_BYTES: Final = 512 * 1024
"""The trace of one evaluation."""

POLICY_FAULTS_SHOWN_MAX: Final = 50
"""Faults that are named of one policy."""

MODEL_VERSIONS_MAX: Final = 1_000
"""Versions of all score models that a ledger has on record, those that were withdrawn included."""

# -- explaining decisions -----------------------------------------------------------------------

EXPLAINED_DECISIONS_MAX: Final = 100
"""Decisions of one application that its explanation names; of more the latest."""

# -- backtests ----------------------------------------------------------------------------------

BACKTESTS_AT_ONCE_MAX: Final = 2
"""Backtests under way in one ledger, whichever process runs them."""

BACKTEST_PROCESSES_MAX: Final = 4
"""Processes that share the work of one backtest; no more than there are processors."""

BACKTEST_PART_DECISIONS: Final = 250
"""Decisions that one process goes through before it says how far it is."""

BACKTEST_SECONDS: Final = 1_800
"""Time that a backtest may take; then it ends with what it has."""

BACKTEST_SILENT_MAX: Final = 3
"""Decisions of one part to which a policy gives no answer in time, before the backtest ends."""

BACKTEST_FLIPS_MAX: Final = 20_000
"""Flips that are stored one by one of a backtest; all of them are counted."""

BACKTESTS_KEPT_MAX: Final = 100
"""Backtests that are kept; when another one begins, the oldest go."""

BACKTEST_KEPT_DAYS: Final = 30
"""How long a backtest is kept after it began."""

BACKTEST_LOST_SECONDS: Final = 30
"""How long a backtest may say nothing of its progress before it counts as lost with its process."""
