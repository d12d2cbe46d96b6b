"""The rules of lending: pure functions over immutable values.

Belongs here: commands, events, state, refusals, money, identifiers. Does not: I/O, clocks,
randomness, SQL, HTTP, anything but the standard library and `annotated_types`.
"""
