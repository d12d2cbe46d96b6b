"""A service to be measured: `python -m tests.bench.service --appender lane`.

What belongs here: the composition of `lending serve` without PostgreSQL and worker, with the
appender as asked for. It says its URL on its standard output, and serves until its standard input
ends.
"""

import argparse
import asyncio
from collections.abc import Callable, Sequence

import uvloop

from lending.api.app import create_app
from lending.api.metrics import Metrics
from lending.ledger.append import AppendLane
from lending.ledger.leaf import Envelope
from lending.ledger.submission import Committed, Group, Outcome, Submission
from lending.runtime import limits
from lending.runtime.children import parent_gone
from lending.runtime.memory import collect_rarely
from lending.runtime.settings import LogFormat, LogLevel, load_settings
from lending.runtime.telemetry import configure_logs, new_registry
from lending.runtime.web import HttpServer, allow_open_files, listen, url_of
from lending.service.authority import FIRST_SHARD
from lending.service.ledger import Ledger, system_clock
from lending.service.registry import Lane


class AnswersAtOnce:
    """Takes the place of a lane: says that everything is committed, and keeps nothing."""

    def __init__(self) -> None:
        self._position = 0

    async def submit(self, submission: Submission) -> Outcome:
        """What a lane would answer to a command without conflict."""
        stream = submission.streams[0]
        first = self._position + 1
        self._position += len(stream.events)
        now = system_clock()
        effective_at = submission.effective_at or now
        return Committed(
            version=stream.expected_version + len(stream.events),
            first_position=first if stream.events else None,
            last_position=self._position,
            recorded_at=now,
            effective_at=effective_at,
            envelopes=[
                Envelope(
                    shard=FIRST_SHARD,
                    position=first + index,
                    application_id=stream.application_id,
                    version=stream.expected_version + 1 + index,
                    event_type=event.event_type,
                    schema_version=event.schema_version,
                    epoch=1,
                    recorded_at=now,
                    effective_at=effective_at,
                    effective_on=submission.effective_on or now.date(),
                    provenance=submission.provenance,
                )
                for index, event in enumerate(stream.events)
            ],
        )

    async def submit_group(self, group: Group) -> Sequence[Outcome]:
        """What a lane would answer to commands that are all placed."""
        return [await self.submit(submission) for submission in group.submissions]

    async def room(self, group: Group, seconds: float) -> None:
        """There always is."""


def _at_once(_: AppendLane) -> Lane:
    return AnswersAtOnce()


def _the_lane(lane: AppendLane) -> Lane:
    return lane


APPENDERS: dict[str, tuple[Callable[[AppendLane], Lane], int]] = {
    "lane": (_the_lane, limits.APPEND_BATCH_MAX_COMMANDS),
    "one by one": (_the_lane, 1),
    "at once": (_at_once, limits.APPEND_BATCH_MAX_COMMANDS),
}
"""What commands are appended by, and how many at most together."""


async def _serve(appender: str) -> None:
    allow_open_files()
    collect_rarely()
    settings = load_settings()
    assert settings.database_url is not None
    metrics = Metrics(new_registry())
    replaced, batch = APPENDERS[appender]
    opening = Ledger.open(
        settings.database_url,
        settings,
        observer=metrics,
        batch_max_commands=batch,
        appender=replaced,
    )
    with listen(settings.host, 0) as listener:
        async with opening as ledger:
            app = create_app(ledger, settings, metrics=metrics)
            url = url_of(listener)
            server = HttpServer(app, on_started=lambda: print(url, flush=True))
            serving = asyncio.create_task(server.serve(sockets=[listener]))
            await parent_gone()
            app.stop_waiting()
            server.stop()
            await serving


def main() -> None:
    """Serve until standard input ends."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--appender", choices=APPENDERS, default="lane")
    given = parser.parse_args()
    configure_logs(LogFormat.CONSOLE, LogLevel.WARNING)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(given.appender))


if __name__ == "__main__":
    main()
