"""The tormentor: what is killed, cut and stopped, in an order that the seed gives.

What belongs here: the blows. Each is dealt to real processes and connections; none knows what the
ledger does about it.
"""

import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass

import psycopg

from lending.runtime import limits
from tests.chaos.stage import Stage
from tests.proxies import Cut

HOLDER_TRIES = 150
_HOLDER = """
select pid, backend_xid::text, state from pg_stat_activity
where datname = 'lending' and application_name = 'lending lane' and backend_xid is not null
  and wait_event_type = 'Client'
"""
_SESSIONS = """
select pid from pg_stat_activity
where datname = 'lending' and application_name like 'lending%' and pid <> pg_backend_pid()
"""


@dataclass(slots=True)
class Blow:
    """What was done to whom, when, and until when it went on; `hit` is which services felt it."""

    kind: str
    target: str
    at: float
    hit: list[str]
    until: float | None = None
    recovered_seconds: float | None = None


class Tormentor:
    """Deals one blow after the other."""

    def __init__(self, stage: Stage, seed: int) -> None:
        self._stage = stage
        self._chance = random.Random(seed)
        self.blows: list[Blow] = []

    def torment(self, until: float) -> Iterator[Blow]:
        """Deal blows until then; every kind comes before any comes again."""
        deck: list[Callable[[], Blow | None]] = []
        while time.monotonic() < until:
            if not deck:
                deck = self._deck()
                self._chance.shuffle(deck)
            blow = deck.pop()()
            if blow is not None:
                self.blows.append(blow)
                yield blow
            # Most blows fall on a service that has recovered, some on one that is still down.
            rest = self._chance.choice([0.1, 1.5, 2.5, 3.5])
            time.sleep(min(rest, max(until - time.monotonic(), 0)))

    def _deck(self) -> list[Callable[[], Blow | None]]:
        return [
            lambda: self._kill_api("a"),
            lambda: self._kill_api("b"),
            self._kill_worker,
            self._kill_worker,
            self._kill_postgres,
            self._stop_postgres_immediately,
            self._terminate_sessions,
            self._break_proxy,
            lambda: self._cut(Cut.BEFORE_COMMIT),
            lambda: self._cut(Cut.AFTER_COMMIT),
            lambda: self._pause_api("a"),
            lambda: self._pause_api("b"),
            self._pause_worker,
            lambda: self._pause_holder("a"),
            lambda: self._pause_holder("b"),
        ]

    # killing

    def _kill_api(self, name: str) -> Blow | None:
        at = time.time()
        killed = self._stage.actors[f"api {name}"].kill(self._chance.uniform(0, 1))
        return Blow("service killed", name, at, [name]) if killed else None

    def _kill_worker(self) -> Blow | None:
        """Kill the worker that moved the read model last."""
        with suppress(psycopg.Error):
            worker, position = self._stage.query(
                "select worker, position from read_data.checkpoints"
                " where projection = 'loan_applications'"
            )[0]
            for name in ("a", "b"):
                actor = self._stage.actors[f"worker {name}"]
                if actor.process is None or f":{actor.process.pid}:" not in f"{worker}":
                    continue
                at = time.time()
                actor.kill(self._chance.uniform(0, 1))
                blow = Blow("worker killed", name, at, [])
                blow.recovered_seconds = self._stood_still(at, position + 1)
                return blow
        return None

    def _stood_still(self, since: float, position: int) -> float | None:
        """How long an event was on record that no worker took up."""
        statement = f"""
            select extract(epoch from c.updated_at - greatest(e.recorded_at, to_timestamp({since})))::float8
            from read_data.checkpoints c
            join ledger.loan_events e on e.shard = c.shard and e.position = {position}
            where c.projection = 'loan_applications'
              and c.updated_at > greatest(e.recorded_at, to_timestamp({since}))"""
        while time.time() < since + 20:
            with suppress(psycopg.Error):
                found = self._stage.query(statement)
                if found:
                    return float(found[0][0])
            time.sleep(0.02)
        return None

    def _kill_postgres(self) -> Blow | None:
        return self._end_postgres("PostgreSQL killed", signal.SIGKILL)

    def _stop_postgres_immediately(self) -> Blow | None:
        """What `pg_ctl stop -m immediate` sends."""
        return self._end_postgres("PostgreSQL stopped -m immediate", signal.SIGQUIT)

    def _end_postgres(self, kind: str, number: signal.Signals) -> Blow | None:
        found = self._stage.data.postmaster()
        if found is None:
            return None
        at = time.time()
        with suppress(ProcessLookupError):
            os.kill(found[0], number)
            return Blow(kind, "", at, ["a", "b"])
        return None

    # connections

    def _terminate_sessions(self) -> Blow | None:
        with suppress(psycopg.Error):
            with psycopg.connect(self._stage.database_url, autocommit=True) as database:
                sessions = [pid for (pid,) in database.execute(_SESSIONS.encode()).fetchall()]
                some = self._chance.sample(sessions, self._chance.randint(1, max(len(sessions), 1)))
                at = time.time()
                for pid in some:
                    database.execute("select pg_terminate_backend(%s)", [pid])
            return Blow("sessions terminated", f"{len(some)}", at, ["a", "b"])
        return None

    def _break_proxy(self) -> Blow:
        at = time.time()
        return Blow("connections cut", f"{self._stage.proxy.break_all()}", at, ["b"])

    def _cut(self, cut: Cut) -> Blow | None:
        """Cut the next flush of the second service, before its commit or before the reply to it."""
        proxy, before = self._stage.proxy, self._stage.proxy.cuts_made
        at = time.time()
        proxy.arm(cut, self._chance.randint(1, 2))
        deadline = time.monotonic() + 3
        while proxy.cuts_made == before and time.monotonic() < deadline:
            time.sleep(0.005)
        if proxy.cuts_made == before:
            proxy.arm(cut, 0)
            return None
        return Blow(f"cut {cut.value} commit", "b", at, ["b"])

    # stopping

    def _pause_api(self, name: str) -> Blow | None:
        actor = self._stage.actors[f"api {name}"]
        at = time.time()
        if not actor.signal(signal.SIGSTOP):
            return None
        time.sleep(self._chance.uniform(1, 6))
        actor.signal(signal.SIGCONT)
        return Blow("service stopped", name, at, [], until=time.time())

    def _pause_worker(self) -> Blow | None:
        name = self._chance.choice(["a", "b"])
        actor = self._stage.actors[f"worker {name}"]
        at = time.time()
        if not actor.signal(signal.SIGSTOP):
            return None
        time.sleep(self._chance.uniform(1, 5))
        actor.signal(signal.SIGCONT)
        return Blow("worker stopped", name, at, [], until=time.time())

    def _pause_holder(self, name: str) -> Blow | None:
        """Stop a service at a moment when it holds the lane, for longer than it may hold it."""
        actor = self._stage.actors[f"api {name}"]
        try:
            with psycopg.connect(self._stage.database_url, autocommit=True) as database:
                for _ in range(HOLDER_TRIES):
                    if not actor.signal(signal.SIGSTOP):
                        return None
                    at = time.time()
                    state = self._holds(database)
                    if state is not None:
                        time.sleep(limits.LANE_IDLE_SECONDS + self._chance.uniform(-2, 6))
                        actor.signal(signal.SIGCONT)
                        other = "b" if name == "a" else "a"
                        kind = f"holder stopped {state}"
                        return Blow(kind, name, at, [other], until=time.time())
                    actor.signal(signal.SIGCONT)
                    time.sleep(self._chance.uniform(0.002, 0.03))
        except psycopg.Error:
            return None
        finally:
            actor.signal(signal.SIGCONT)
        return None

    def _holds(self, database: psycopg.Connection[tuple[object, ...]]) -> str | None:
        """In what state the stopped service's session holds the lane, if it does."""
        before = database.execute(_HOLDER.encode()).fetchall()
        if not before:
            return None
        time.sleep(0.1)
        for holder in database.execute(_HOLDER.encode()).fetchall():
            if holder in before:
                return "between sendings" if holder[2] == "idle in transaction" else "while sending"
        return None
