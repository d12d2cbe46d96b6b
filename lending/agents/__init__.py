"""Tools for models: the ledger's use cases over the Model Context Protocol, on HTTP and on stdio.

Belongs here: what the tools are called, take, say and answer, and how they are served. Does not: any
rule, any right, any storage; those are the domain's and the service's, the same for every way in.
"""
