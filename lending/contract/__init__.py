"""The contract with whoever uses the ledger, whatever the way in: which commands there are and what
they take, and how applications, events and answers are written as JSON.

Belongs here: what HTTP, tools for models and the client library share, derived from the domain's
dataclasses. Does not: statuses and headers of HTTP, rules of lending, storage.
"""
