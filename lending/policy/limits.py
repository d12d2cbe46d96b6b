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
