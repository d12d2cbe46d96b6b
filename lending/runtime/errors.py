"""The errors of the runtime that a person can act on.

What belongs here: the base class whose text a command prints as its one line. Each module derives
its own errors from it.
"""


class OperatorError(Exception):
    """Something outside the program has to change; the text says what, in a sentence or two.

    `exit_code` is what a command ends with.
    """

    exit_code = 1
