"""The process that evaluates policies: one request a line on stdin, one answer a line on stdout.

It holds nothing but what it is sent, and the system ends it when an answer takes more of the
processor's time, or more memory, than it may: while the engine works nothing else here runs.
"""

import json
import resource
import signal
import sys
from collections.abc import Mapping
from typing import Any, BinaryIO, Final

from lending.policy import limits
from lending.policy.checking import unreadable
from lending.policy.document import canonical_text
from lending.policy.engine import evaluate
from lending.policy.faults import FaultyPolicy

READY: Final = b"ready\n"
OUT_OF_TIME: Final = signal.SIGPROF
"""What ends it when an answer takes too long."""


def main(seconds: float) -> None:
    """Answer until stdin ends; each answer may take so many seconds of processor time."""
    signal.signal(OUT_OF_TIME, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for whoever started it
    resource.setrlimit(
        resource.RLIMIT_AS, (limits.POLICY_PROCESS_MAX_BYTES, limits.POLICY_PROCESS_MAX_BYTES)
    )
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    asking, answering = sys.stdin.buffer, sys.stdout.buffer
    _say(answering, READY)
    for line in asking:
        signal.setitimer(signal.ITIMER_PROF, seconds)
        said = answer(json.loads(line))
        signal.setitimer(signal.ITIMER_PROF, 0)
        _say(answering, canonical_text(said).encode() + b"\n")


def answer(request: Mapping[str, Any]) -> dict[str, Any]:
    """The answer to one request: without facts, what the engine cannot read of the definition."""
    if request.get("facts") is None:
        return {"faults": [list(fault) for fault in unreadable(request["definition"])]}
    try:
        found = evaluate(request["definition"], request["facts"], request["others"])
    except FaultyPolicy as faulty:
        return {"faults": [list(faulty.fault)]}
    return found.said() | {"trace": found.trace}


def _say(answering: BinaryIO, line: bytes) -> None:
    answering.write(line)
    answering.flush()


if __name__ == "__main__":
    main(float(sys.argv[1]))
