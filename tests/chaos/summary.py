"""The table that a run ends with: what was issued, what was done to it, how soon it went on.

What belongs here: counting and printing.
"""

import statistics
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from itertools import zip_longest

from rich.console import Console
from rich.table import Table

from tests.chaos.records import Attempt, Meaning
from tests.chaos.torment import Blow


def time_recoveries(blows: Sequence[Blow], attempts: Sequence[Attempt]) -> None:
    """Note for each blow how long it took until every service hit acknowledged something sent after it."""
    acknowledged: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for attempt in attempts:
        if attempt.acknowledged and attempt.answered_at is not None:
            acknowledged[attempt.api].append((attempt.sent_at, attempt.answered_at))
    soonest = {api: _soonest(sorted(pairs)) for api, pairs in acknowledged.items()}
    for blow in blows:
        took = []
        for api in blow.hit:
            sent, answered = soonest.get(api, ([], []))
            index = bisect_left(sent, blow.at)
            if index < len(sent):
                took.append(answered[index] - blow.at)
        if took:
            blow.recovered_seconds = max(took)


def _soonest(pairs: Sequence[tuple[float, float]]) -> tuple[list[float], list[float]]:
    """When each was sent, and the first answer to any that was sent then or later."""
    sent = [pair[0] for pair in pairs]
    answered = [pair[1] for pair in pairs]
    for index in range(len(answered) - 2, -1, -1):
        answered[index] = min(answered[index], answered[index + 1])
    return sent, answered


def say(text: str) -> None:
    """Print a line for whoever waits."""
    Console(width=100).print(text, highlight=False)


def print_summary(
    attempts: Sequence[Attempt],
    blows: Sequence[Blow],
    *,
    positions: int,
    replays: int,
    ends: Mapping[str, Sequence[int]],
    seconds: float,
) -> None:
    """Print both tables."""
    console = Console(width=100)
    console.print(_issued(attempts, positions=positions, replays=replays, seconds=seconds))
    console.print(_blows(blows))
    for name, codes in ends.items():
        if codes:
            console.print(f"{name} ended by itself and was started again; exit codes {codes}")


def _issued(attempts: Sequence[Attempt], *, positions: int, replays: int, seconds: float) -> Table:
    commands = {attempt.command for attempt in attempts if not attempt.dry_run}
    known = {attempt.command for attempt in attempts if attempt.acknowledged}
    stale = {attempt.command for attempt in attempts if attempt.status == 412}
    meanings = Counter(attempt.meaning for attempt in attempts if not attempt.dry_run)
    codes = Counter(
        attempt.answer["code"] for attempt in attempts if attempt.answer and attempt.status != 200
        and "code" in attempt.answer and attempt.meaning is not Meaning.REFUSED
    )  # fmt: skip
    table = Table(title="what was issued", show_header=False, title_justify="left")
    rows = (
        ("commands", len(commands)),
        ("acknowledged", len(known)),
        ("their version had moved (If-Match)", len(stale - known)),
        ("never acknowledged", len(commands - known - stale)),
        ("attempts", sum(meanings.values())),
        *((f"attempts: {meaning.value}", count) for meaning, count in meanings.most_common()),
        ("attempts answered from the record", sum(a.replayed for a in attempts)),
        *((f"problem {code}", count) for code, count in codes.most_common()),
        ("positions", positions),
        ("answers asked for once more at the end", replays),
    )
    for name, count in rows:
        table.add_row(name, f"{count:,}")
    table.add_row("seconds", f"{seconds:.0f}")
    return table


def _blows(blows: Sequence[Blow]) -> Table:
    """Recoveries that no other blow fell into, and how long the longest of all took."""
    table = Table(
        "blow", "times", "undisturbed", "recovered p50 s", "max s", "max of all s",
        title="blows", title_justify="left",
    )  # fmt: skip
    by_kind: dict[str, list[tuple[float, bool]]] = defaultdict(list)
    dealt = Counter(blow.kind for blow in blows)
    for blow, following in zip_longest(blows, blows[1:]):
        if blow.recovered_seconds is not None:
            alone = following is None or following.at > blow.at + blow.recovered_seconds
            by_kind[blow.kind].append((blow.recovered_seconds, alone))
    for kind, times in sorted(dealt.items()):
        took = [seconds for seconds, alone in by_kind[kind] if alone]
        longest = [seconds for seconds, _ in by_kind[kind]]
        table.add_row(
            kind,
            str(times),
            str(len(took)) if longest else "",
            f"{statistics.median(took):.2f}" if took else "",
            f"{max(took):.2f}" if took else "",
            f"{max(longest):.2f}" if longest else "",
        )
    return table
