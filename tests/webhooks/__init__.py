"""Webhooks: what is sent, to whom, in which order, and what never is."""
