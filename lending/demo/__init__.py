"""The demonstration: agents that carry applications through the ledger over HTTP, and what it then
shows.

Belongs here: invented customers, the agents that serve them, the story told afterwards. Does not:
anything the service needs; the agents know the ledger by its HTTP API only.
"""
