"""Everything that is answered about an application, and what an erasure may change of it.

What belongs here: asking, and comparing two answers leaf by leaf.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final, NamedTuple

from tests.api.served import Api

ERASED: Final = {"erased": True}
ON: Final = "on=2026-11-01"
DECISIONS: Final = ("decided", "overridden")
ENDS: Final = (
    "?version={v}", "?as_of={at}", "?effective_on={on}", "/events?limit=1000",
    "/timeline?version={v}", "/diff?to_version={v}", "/diff?from_version=1&to_version={v}",
    "/explanation?version={v}", f"/adverse-action?version={{v}}&{ON}",
    f"/adverse-action/notice?version={{v}}&{ON}", "/schedule?version={v}", "/statement?version={v}",
    f"/payoff-quote?version={{v}}&{ON}",
)  # fmt: skip
"""What can be asked of an application as it stood at a version, and at an instant and on a day."""

OTHERWISE: Final = {
    "/timeline": ("text/plain", "text/html"),
    "/diff": ("text/plain",),
    "/view": ("text/plain",),
    "/notice": ("text/html",),
    "/schedule": ("text/csv",),
    "/statement": ("text/csv", "text/html"),
}
"""The other forms in which some of it can be had."""


class Asked(NamedTuple):
    """What was asked, and in which form."""

    end: str
    form: str = "application/json"


Answers = Mapping[Asked, tuple[int, Any]]
"""Status and body, of JSON as it was read."""


async def all_answers_of(api: Api, path: str, *, in_full: bool) -> Answers:
    """Everything that is answered of an application; less in full, in no other form than JSON."""
    events = (await api.get(f"{path}/events?limit=1000")).json()["items"]
    asked = everything(events)
    return await answers_of(api, path, asked if in_full else islice(asked, len(ENDS)))


async def answers_of(api: Api, path: str, asked: Iterable[Asked]) -> Answers:
    """What is answered to these questions."""
    found: dict[Asked, tuple[int, Any]] = {}
    for one in asked:
        answer = await api.get(path + one.end, accept=one.form)
        in_json = "json" in answer.headers["content-type"]
        found[one] = answer.status_code, answer.json() if in_json else answer.text
    return found


def everything(events: list[dict[str, Any]]) -> Iterator[Asked]:
    """What can be asked of an application with these events."""
    last, middle = events[-1], events[len(events) // 2]
    moment = {"v": last["version"], "at": middle["recorded_at"], "on": middle["effective_on"]}
    ends = [end.format(**moment) for end in ENDS]
    ends += [f"?version={one['version']}" for one in events]
    ends += [f"/decisions/{e['version']}/view" for e in events if e["event_type"] in DECISIONS]
    yield from map(Asked, ends)
    for end in ends:
        for name, forms in OTHERWISE.items():
            yield from (Asked(end, form) for form in forms if name in end)


def changes(before: Any, after: Any, pointer: str = "") -> Iterator[tuple[str, Any, Any]]:
    """The places at which two answers differ, and what stands there."""
    if before == after:
        return
    if isinstance(before, dict) and isinstance(after, dict) and after != ERASED:
        for name in before.keys() | after.keys():
            yield from changes(before.get(name), after.get(name), f"{pointer}/{name}")
    elif isinstance(before, Sequence) and type(before) is type(after) and _alike(before, after):
        for place, pair in enumerate(zip(before, after, strict=True)):
            yield from changes(*pair, f"{pointer}/{place}")
    else:
        yield pointer, before, after


def _alike(before: Sequence[Any], after: Sequence[Any]) -> bool:
    return not isinstance(before, str) and len(before) == len(after)
