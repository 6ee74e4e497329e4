"""Which way to keep events between commit and broker costs request and relay least.

The split that the chassis has, body in the log and ids in the queue, beside the two others there
could be. Plain SQL: what differs between them is in the database.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import psycopg
from sqlalchemy import make_url

from bench.figures import Figure, Run, Yardstick, median
from bench.history import Company
from crm_chassis.events import Event

_LOG = """
CREATE TABLE event_log (
    event_id uuid, recorded_at timestamptz, type varchar(120) NOT NULL,
    subject varchar(64) NOT NULL, sequence integer NOT NULL, body bytea NOT NULL, {more}
    PRIMARY KEY (event_id, recorded_at)
) PARTITION BY RANGE (recorded_at);
CREATE TABLE event_log_now PARTITION OF event_log DEFAULT;
CREATE INDEX ON event_log (recorded_at, event_id);
CREATE INDEX ON event_log (subject);
"""
_WRITE_LOG = """
INSERT INTO event_log (event_id, recorded_at, type, subject, sequence, body)
VALUES (%(id)s, %(at)s, %(type)s, %(subject)s, %(sequence)s, %(body)s)
"""


@dataclass(frozen=True, slots=True)
class _Way:
    """The tables; what a transaction writes beside its change; what the relay reads and settles."""

    name: str
    tables: str
    writes: Sequence[str]
    read: str
    settle: str


_SPLIT = _Way(
    "body in the log, ids in the queue",
    _LOG.format(more="")
    + "CREATE TABLE outbox (event_id uuid PRIMARY KEY, recorded_at timestamptz NOT NULL)",
    (_WRITE_LOG, "INSERT INTO outbox VALUES (%(id)s, %(at)s)"),
    """
    SELECT oldest.event_id, entry.type, entry.body
    FROM (SELECT event_id, recorded_at FROM outbox ORDER BY event_id LIMIT %s) AS oldest
    CROSS JOIN LATERAL (
        SELECT type, body FROM event_log
        WHERE event_id = oldest.event_id AND recorded_at = oldest.recorded_at OFFSET 0
    ) AS entry
    ORDER BY oldest.event_id
    """,
    "DELETE FROM outbox WHERE event_id = ANY(%s)",
)
_TWICE = _Way(
    "body in both",
    _LOG.format(more="")
    + "CREATE TABLE outbox (event_id uuid PRIMARY KEY, type varchar(120), body bytea)",
    (_WRITE_LOG, "INSERT INTO outbox VALUES (%(id)s, %(type)s, %(body)s)"),
    "SELECT event_id, type, body FROM outbox ORDER BY event_id LIMIT %s",
    "DELETE FROM outbox WHERE event_id = ANY(%s)",
)
_FLAG = _Way(
    "one table with a flag",
    _LOG.format(more="published boolean NOT NULL DEFAULT false,")
    + "CREATE INDEX ON event_log (event_id) WHERE NOT published",
    (_WRITE_LOG,),
    "SELECT event_id, type, body FROM event_log WHERE NOT published ORDER BY event_id LIMIT %s",
    "UPDATE event_log SET published = true WHERE NOT published AND event_id = ANY(%s)",
)
_CLIENTS = 4
_BATCH = 1000
_ROUNDS = 5


def run(run: Run) -> list[Figure]:
    """Each way in turns: events committed one by one by four clients, then drained."""
    ways = (_SPLIT, _TWICE, _FLAG)
    urls = {way: _database(run, way) for way in ways}
    company = Company(leads_a_day=100)
    committed: dict[_Way, list[float]] = {way: [] for way in ways}
    drained: dict[_Way, list[float]] = {way: [] for way in ways}
    count = run.count(8_000, 2_000)
    for _ in range(_ROUNDS):
        for way in ways:
            committed[way].append(count / _commit(urls[way], way, company.events(count)))
            drained[way].append(count / _drain(urls[way], way))
    return [
        Figure(
            f"{what}: {way.name}",
            median(rates[way]),
            "events/s",
            None if way is _SPLIT else Yardstick("as it is", median(rates[_SPLIT])),
        )
        for what, rates in (("committed", committed), ("drained", drained))
        for way in ways
    ]


def _database(run: Run, way: _Way) -> str:
    url = make_url(run.servers.postgres.create_database("outbox")).set(drivername="postgresql")
    address = url.render_as_string(hide_password=False)
    with psycopg.connect(address) as connection:
        connection.execute(way.tables)
    return address


def _commit(url: str, way: _Way, events: Sequence[Event]) -> float:
    """Seconds in which the events are committed, each in a transaction of its own."""
    rows = [
        {
            "id": event.id,
            "at": event.time,
            "type": event.type,
            "subject": event.subject,
            "sequence": event.sequence,
            "body": event.encode(),
        }
        for event in events
    ]

    def work(number: int) -> None:
        with psycopg.connect(url) as connection:
            for row in rows[number::_CLIENTS]:
                with connection.transaction(), connection.pipeline():
                    for statement in way.writes:
                        connection.execute(statement, row)

    began = time.perf_counter()
    with ThreadPoolExecutor(_CLIENTS) as pool:
        list(pool.map(work, range(_CLIENTS)))
    return time.perf_counter() - began


def _drain(url: str, way: _Way) -> float:
    """Seconds in which everything queued is read and settled, as by a relay."""
    began = time.perf_counter()
    with psycopg.connect(url, autocommit=True) as connection:
        while rows := connection.execute(way.read, [_BATCH], binary=True).fetchall():
            connection.execute(way.settle, [[event_id for event_id, _, _ in rows]])
    return time.perf_counter() - began
