"""What is old enough goes, in pieces; what is not stays; and both are known."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from notes_service import WRITTEN, write
from sqlalchemy import Table, func, insert, select, text, update

from crm_chassis.database import new_id, utc_now
from crm_chassis.idempotency import idempotency_keys
from crm_chassis.imports.jobs import import_chunks, import_errors, import_files, import_jobs
from crm_chassis.inbox import inbox, parked_events
from crm_chassis.operations.administration import administrative_acts, record_act
from crm_chassis.operations.replay_jobs import event_replays
from crm_chassis.outbox import event_log, outbox
from crm_chassis.testing_harness import Harness

YEARS_AGO = utc_now() - timedelta(days=4000)


@pytest.fixture(params=["sqlite", "postgresql"])
def notes(request, make_service) -> Harness:
    url = request.getfixturevalue("postgres_url") if request.param == "postgresql" else None
    return make_service("notes", url)


def insert_dated(notes: Harness, table: Table, dated: str, count: int = 1, **values: Any) -> None:
    """Rows that are years old, and one of today."""
    rows = [
        {dated: at, **{name: make() for name, make in values.items()}}
        for at in [YEARS_AGO] * count + [utc_now()]
    ]
    with notes.service.database.transaction() as session:
        session.execute(insert(table), rows)


def count(notes: Harness, table: Table) -> int:
    with notes.service.database.reading() as session:
        return session.scalars(select(func.count()).select_from(table)).one()


def always(value: Any) -> Any:
    return lambda: value


def job(state: str, at: datetime) -> dict[str, Any]:
    zeros = ("rows_total", "rows_done", "created", "changed", "unchanged", "failed")
    return {
        "id": new_id(),
        "resource": "notes",
        "filename": "x.csv",
        "mapping": {},
        "dry_run": False,
        "principal": {},
        "owner_id": "x",
        "state": state,
        "started_at": at,
        **dict.fromkeys(zeros, 0),
    }


def test_a_new_service_has_nothing_to_remove(notes):
    assert notes.service.retention.run() == {}
    assert count(notes, administrative_acts) == 0


def test_what_is_old_goes_and_what_is_new_stays(notes):
    insert_dated(notes, inbox, "received_at", event_id=new_id)
    insert_dated(
        notes, idempotency_keys, "used_at", key=new_id, fingerprint=always("x"), headers=dict
    )
    insert_dated(
        notes,
        parked_events,
        "settled_at",
        id=new_id,
        event_id=new_id,
        type=always("x"),
        handler=always("x"),
        reason=always("x"),
        attempts=always(1),
        body=always(b""),
        state=always("discarded"),
        parked_at=always(YEARS_AGO),
    )
    insert_dated(
        notes,
        event_replays,
        "requested_at",
        id=new_id,
        consumer=always("library"),
        since=utc_now,
        until=utc_now,
        types=list,
        state=always("done"),
        total=always(0),
        published=always(0),
        requested_by=always("x"),
    )
    insert_dated(
        notes,
        administrative_acts,
        "at",
        id=new_id,
        actor=always("x"),
        act=always("x.y"),
        detail=dict,
    )
    expected = dict.fromkeys(
        ("inbox", "idempotency_keys", "parked_events", "event_replays", "administrative_acts"), 1
    )
    assert notes.service.retention.run() == expected
    for table in (inbox, idempotency_keys, parked_events, event_replays):
        assert count(notes, table) == 1, table.name
    assert count(notes, administrative_acts) == 2  # today's, and that of the retention
    assert notes.service.retention.run() == {}


def test_what_is_not_settled_stays_whatever_its_age(notes):
    with notes.service.database.transaction() as session:
        session.execute(
            insert(import_jobs), [job(state, YEARS_AGO) for state in ("queued", "running")]
        )
        session.execute(
            insert(parked_events),
            {
                "id": new_id(),
                "event_id": "x",
                "type": "x",
                "handler": "x",
                "reason": "x",
                "attempts": 1,
                "body": b"",
                "state": "parked",
                "parked_at": YEARS_AGO,
            },
        )
        session.execute(
            insert(event_replays),
            {
                "id": new_id(),
                "consumer": "library",
                "since": YEARS_AGO,
                "until": YEARS_AGO,
                "types": [],
                "state": "running",
                "total": 0,
                "published": 0,
                "requested_by": "x",
                "requested_at": YEARS_AGO,
            },
        )
    assert notes.service.retention.run() == {}


def test_an_event_that_the_broker_has_not_confirmed_stays_however_old_it_is(make_service):
    notes = make_service("notes")
    with notes.service.database.transaction() as session:
        write(session, {"title": "waits"})
    with notes.service.database.transaction() as session:
        session.execute(update(event_log).values(recorded_at=YEARS_AGO))
        session.execute(update(outbox).values(recorded_at=YEARS_AGO))
    notes.service.retention.run()
    assert count(notes, event_log) == 1


def test_imports_go_with_all_that_is_theirs(notes, monkeypatch):
    monkeypatch.setattr("crm_chassis.operations.retention._BATCH", 2)
    two_days_and_more = utc_now() - timedelta(hours=49)
    old, failed = job("done", YEARS_AGO), job("failed", YEARS_AGO)
    abandoned, waiting = job("uploading", two_days_and_more), job("uploading", utc_now())
    young = job("done", two_days_and_more)
    with notes.service.database.transaction() as session:
        session.execute(insert(import_jobs), [old, failed, abandoned, waiting, young])
        session.execute(
            insert(import_errors),
            [
                {"id": new_id(), "job_id": each["id"], "row": row, "field": "x", "detail": "x"}
                for each in (old, failed, young)
                for row in range(3)
            ],
        )
        session.execute(
            insert(import_files),
            [{"job_id": abandoned["id"], "number": n, "content": b"x"} for n in range(5)],
        )
        chunk = {"number": 0, "first_row": 1, "row_count": 1, "rows_done": 0, "rows": []}
        chunks = [{"job_id": each["id"], **chunk} for each in (abandoned, waiting)]
        session.execute(insert(import_chunks), chunks)
    # three jobs, six errors, five pieces of a file and a chunk
    assert notes.service.retention.run() == {"import_jobs": 15}
    with notes.service.database.reading() as session:
        left = set(session.scalars(select(import_jobs.c.id)))
    assert left == {waiting["id"], young["id"]}
    assert (count(notes, import_errors), count(notes, import_chunks)) == (3, 1)
    assert count(notes, import_files) == 0


def test_no_transaction_removes_more_than_a_piece(notes, monkeypatch):
    monkeypatch.setattr("crm_chassis.operations.retention._BATCH", 3)
    insert_dated(notes, inbox, "received_at", 10, event_id=new_id)
    sizes: list[int] = []
    last = count(notes, inbox)

    def measure(_session: Any) -> None:
        nonlocal last
        now = count(notes, inbox)
        sizes.append(last - now)
        last = now

    notes.service.database.after_commit.append(measure)
    assert notes.service.retention.run() == {"inbox": 10}
    assert max(sizes) == 3


def test_what_was_removed_is_an_act_and_a_figure(notes):
    insert_dated(notes, inbox, "received_at", event_id=new_id)
    notes.service.retention.run()
    (act,) = notes.as_user().get("/v1/administrative-acts").json["items"]
    assert (act["act"], act["actor"]) == ("retention.run", "notes")
    assert act["detail"] == {"rows": {"inbox": 1}, "months": []}
    metrics = notes.anonymous().get("/metrics").text
    assert 'crm_retention_removed_total{kind="inbox"} 1.0' in metrics
    assert "crm_retention_last_run_timestamp_seconds 1" in metrics


def test_an_archive_keeps_what_it_rebuilds_from(make_service):
    archive = make_service("library", archive=True)
    insert_dated(archive, inbox, "received_at", event_id=new_id)
    assert archive.service.retention.run() == {}


def test_one_of_several_workers_does_it(make_service, postgres_url):
    notes = make_service("notes", postgres_url)
    insert_dated(notes, inbox, "received_at", event_id=new_id)
    with notes.service.database.sole_holder("crm-retention-notes"):
        assert notes.service.retention.run() == {}
    assert notes.service.retention.run() == {"inbox": 1}


def test_months_that_a_backup_reads_are_dropped_another_time(make_service, postgres, monkeypatch):
    monkeypatch.setattr("crm_chassis.operations.retention._LOCK_SECONDS", 0.1)
    notes = make_service("notes", postgres.create_database("months"))
    database = notes.service.database
    with database.engine.begin() as connection:
        connection.execute(
            text(
                "CREATE TABLE event_log_2020_12 PARTITION OF event_log"
                " FOR VALUES FROM ('2020-12-01 00:00+00') TO ('2021-01-01 00:00+00')"
            )
        )
    insert_dated(notes, inbox, "received_at", event_id=new_id)
    with database.engine.begin() as backup:
        backup.execute(select(event_log.c.event_id)).all()
        assert notes.service.retention.run() == {"inbox": 1}
        with database.transaction() as session:
            write(session, {"title": "written meanwhile"})
    notes.service.retention.run()
    (act, _) = notes.as_user().get("/v1/administrative-acts").json["items"]
    assert act["detail"] == {"rows": {}, "months": ["event_log_2020_12"]}


def test_a_month_with_an_event_that_waits_for_the_broker_stays(make_service, postgres):
    notes = make_service("notes", postgres.create_database("waiting"))
    database = notes.service.database
    at = datetime.fromisoformat("2020-12-24T00:00:00+00:00")
    event_id = new_id()
    with database.engine.begin() as connection:
        connection.execute(
            text(
                "CREATE TABLE event_log_2020_12 PARTITION OF event_log"
                " FOR VALUES FROM ('2020-12-01 00:00+00') TO ('2021-01-01 00:00+00')"
            )
        )
        entry = {"type": WRITTEN, "subject": "x", "sequence": 1, "body": b"{}"}
        row = {"event_id": event_id, "recorded_at": at, **entry}
        connection.execute(insert(event_log), row)
        connection.execute(insert(outbox), {"event_id": event_id, "recorded_at": at})
    notes.service.retention.run()
    assert count(notes, event_log) == 1


def test_it_is_run_once_from_the_command_line(make_service):
    notes = make_service("notes")
    insert_dated(notes, inbox, "received_at", 2, event_id=new_id)
    with notes.app.app_context():
        runner = notes.app.test_cli_runner()
        assert runner.invoke(args=["tidy"]).output == "2 inbox\n"
        assert runner.invoke(args=["tidy"]).output == "nothing\n"


def test_acts_are_written_with_their_transaction_or_not_at_all(notes):
    database = notes.service.database
    with pytest.raises(RuntimeError), database.transaction() as session:
        record_act(session, "a.b", "x", {"n": 1})
        raise RuntimeError
    assert count(notes, administrative_acts) == 0
    with database.transaction() as session:
        record_act(session, "a.b", "x", {"n": 1})
    with database.reading() as session:
        act = session.execute(select(administrative_acts)).one()
    assert (act.actor, act.act, act.subject, act.detail) == ("nobody", "a.b", "x", {"n": 1})
    assert json.dumps(act.detail)
