"""The projections are what the archived events give, and can be made from them again."""

from __future__ import annotations

import threading
import time
from random import Random
from typing import Any

import pytest
from sqlalchemy import inspect, select, text, update

from crm_chassis.broker import Delivery
from crm_chassis.inbox import claim, inbox
from crm_chassis.testing_harness import Harness, event
from crm_reporting.projections import jobs
from crm_reporting.projections.archive import Archive, UnderWay
from crm_reporting.projections.fold import Projection
from crm_reporting.projections.tables import STANDING


def archive(service: Harness) -> Archive:
    return Archive(service.service.database, service.service.settings.zone)


def rows(service: Harness) -> dict[str, list[Any]]:
    with service.service.database.engine.connect() as connection:
        return {
            name: sorted(map(tuple, connection.execute(select(table))), key=repr)
            for name, table in STANDING.items()
        }


def spoil(service: Harness) -> None:
    """What a bug would do: a wrong sum, a lost row, one too many."""
    sums, deals, leads = (
        STANDING[name] for name in ("rollup_closed_deals", "opportunities", "leads")
    )
    with service.service.database.engine.begin() as connection:
        connection.execute(
            update(sums).where(sums.c.dimension == "all").values(won_value=sums.c.won_value + 1)
        )
        lost = connection.scalar(select(deals.c.id).limit(1))
        connection.execute(deals.delete().where(deals.c.id == lost))
        connection.execute(leads.insert().values(id="01900000-0000-7000-8000-000000000001"))


@pytest.fixture
def told(anywhere: Harness, company: Any) -> Harness:
    anywhere.deliver(*company(Random(3), size=8).events())
    return anywhere


def test_what_stands_is_what_the_archive_gives(told: Harness) -> None:
    assert list(archive(told).verify()) == []


def test_verify_tells_every_difference(told: Harness) -> None:
    right = rows(told)
    spoil(told)
    found = {(difference.table, bool(difference.standing)) for difference in archive(told).verify()}
    assert {("opportunities", False), ("leads", True), ("rollup_closed_deals", True)} == found
    assert rows(told) != right


def test_rebuild_brings_the_tables_back(told: Harness, company: Any) -> None:
    right = rows(told)
    spoil(told)
    assert archive(told).rebuild() > 0
    assert rows(told) == right
    assert list(archive(told).verify()) == []


def test_after_a_rebuild_events_are_handled_as_before(told: Harness, company: Any) -> None:
    schema = _schema(told)
    archive(told).rebuild()
    assert _schema(told) == schema
    more = company(Random(4), size=4).events()
    told.deliver(*more)
    assert list(archive(told).verify()) == []


def test_no_event_is_missed_that_comes_during_a_rebuild(told: Harness, company: Any) -> None:
    events = company(Random(5), size=30).events()

    def consume() -> None:
        for start in range(0, len(events), 10):
            told.deliver(*events[start : start + 10])

    consumer = threading.Thread(target=consume)
    consumer.start()
    while consumer.is_alive():
        archive(told).rebuild()
    consumer.join()
    assert list(archive(told).verify()) == []
    with told.service.database.reading() as session:
        stored = set(session.scalars(select(STANDING["opportunities"].c.id)))
    assert {told.subject for told in events if "opportunity" in told.type} <= stored


def test_a_rebuild_waits_for_an_event_that_is_being_handled(
    reporting_on_postgres: Harness, company: Any
) -> None:
    service = reporting_on_postgres
    *earlier, last = company(Random(6)).events()
    service.deliver(*earlier)
    projection = Projection(service.service.settings.zone)
    rebuild = threading.Thread(target=archive(service).rebuild)
    with service.service.database.transaction() as session:
        claim(session, [last], archive=True)
        projection.on_events(session, [last])
        rebuild.start()
        _until_something_waits(service)
    rebuild.join()
    assert list(archive(service).verify()) == []


def _until_something_waits(service: Harness) -> None:
    waiting = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
    deadline = time.monotonic() + 30
    with service.service.database.engine.connect() as connection:
        while not connection.scalar(waiting):
            assert time.monotonic() < deadline, "nothing waits for a lock"
            connection.rollback()


def test_the_archive_tells_of_no_person(reporting: Harness) -> None:
    lead = event("crm.sales.lead.created.v1", {"name": "王小明", "phone": "+8613800138000"})
    processor = reporting.service.processor
    processor.handle(processor.admit([Delivery(lead.id, lead.encode(), None)]))
    assert len(_bodies(reporting)) == 1
    raw = b"".join(_bodies(reporting))
    assert "王小明".encode() not in raw
    assert b"13800138000" not in raw


def test_rebuild_and_verify_by_command(told: Harness) -> None:
    run = told.app.test_cli_runner().invoke
    assert "what the archive gives" in run(args=["projections", "verify"]).output
    spoil(told)
    wrong = run(args=["projections", "verify"])
    assert wrong.exit_code == 1
    assert '"table":"opportunities"' in wrong.output
    assert "events folded" in run(args=["projections", "rebuild"]).output
    assert run(args=["projections", "verify"]).exit_code == 0


def test_one_archive_run_goes_on_at_a_time(told: Harness) -> None:
    if told.service.database.is_sqlite:
        pytest.skip("SQLite has one process")
    spoil(told)
    under_way = archive(told).verify()
    next(under_way)
    with pytest.raises(UnderWay):
        archive(told).rebuild()
    under_way.close()
    assert archive(told).rebuild() > 0


def test_rebuild_and_verify_as_jobs(told: Harness) -> None:
    database, zone = told.service.database, told.service.settings.zone
    operator = told.as_user()
    assert jobs.run_next(database, zone) is False
    outcomes = []
    spoil(told)
    for kind in ("verify", "rebuild", "verify"):
        job = operator.post("/v1/projections/jobs", json={"kind": kind})
        assert job.status_code == 202
        assert jobs.run_next(database, zone) is True
        done = operator.get(f"/v1/projections/jobs/{job.json['id']}").json
        assert done["state"] == "done"
        outcomes.append(done)
    assert outcomes[0]["differences"] == len(outcomes[0]["examples"]) > 0
    assert outcomes[1]["events"] > 0
    assert outcomes[2]["differences"] == 0


def test_jobs_need_the_permission(reporting: Harness) -> None:
    reader = reporting.as_user({"reporting.kpis.read": "all"})
    assert reader.post("/v1/projections/jobs", json={"kind": "verify"}).status_code == 403


def _schema(service: Harness) -> dict[str, Any]:
    inspector = inspect(service.service.database.engine)
    return {
        table: (
            inspector.get_pk_constraint(table),
            sorted(index["name"] or "" for index in inspector.get_indexes(table)),
        )
        for table in sorted(inspector.get_table_names())
    }


def _bodies(service: Harness) -> list[bytes]:
    with service.service.database.reading() as session:
        return list(session.scalars(select(inbox.c.body)))
