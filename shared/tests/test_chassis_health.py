"""Readiness and metrics tell what is really there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, request
from notes_service import LENT, SHREDDED, WRITTEN, create_app, state_of, write
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import update

from crm_chassis import outbox
from crm_chassis.database import new_id, utc_now
from crm_chassis.events import Event, Refused
from crm_chassis.imports.jobs import import_jobs
from crm_chassis.scheduler import set_timers
from crm_chassis.settings import Settings
from crm_chassis.testing_harness import Harness


@pytest.fixture
def app_on(tmp_path: Path) -> Iterator[Callable[..., Flask]]:
    """Makes the notes service on given servers; nothing is migrated."""
    made: list[Flask] = []

    def make(database_url: str, broker_url: str = "memory://") -> Flask:
        settings = Settings(
            service="notes",
            database_url=database_url,
            broker_url=broker_url,
            token_keys=str(tmp_path / "none"),
        )
        made.append(create_app(settings))
        return made[-1]

    yield make
    for app in made:
        app.extensions["crm"].close()


def readiness(app: Flask) -> dict[str, bool]:
    """The checks of ``/readyz``, after a look at its status."""
    answer = app.test_client().get("/readyz")
    checks = answer.json["checks"]
    assert answer.json["ready"] == all(checks.values())
    assert answer.status_code == (200 if all(checks.values()) else 503)
    return checks


class TestReadiness:
    def test_without_its_tables_it_is_not_ready(self, app_on, tmp_path):
        app = app_on(f"sqlite:///{tmp_path / 'notes.db'}")
        assert readiness(app) == {"database": True, "migrations": False}
        app.extensions["crm"].migrations.upgrade()
        assert readiness(app) == {"database": True, "migrations": True}

    def test_while_its_database_is_away_it_is_not_ready(self, app_on, postgres_url, cable):
        line = cable(postgres_url)
        app = app_on(line.url)
        app.extensions["crm"].migrations.upgrade()
        assert readiness(app) == {"database": True, "migrations": True}
        line.cut()
        assert readiness(app) == {"database": False, "migrations": False}
        line.mend()
        assert readiness(app) == {"database": True, "migrations": True}

    def test_while_the_database_is_away_requests_are_told_to_come_again(
        self, make_service, postgres_url, cable
    ):
        line = cable(postgres_url)
        notes = make_service("notes", line.url)
        user = notes.as_user()
        assert user.post("/v1/notes", json={"title": "a"}).status_code == 201
        line.cut()
        for answer in (user.get("/v1/notes"), user.post("/v1/notes", json={"title": "b"})):
            assert answer.status_code == 503
            assert answer.json["type"] == "urn:crm:problem:database-away"
            assert answer.headers["Retry-After"]
        assert notes.app.test_client().get("/healthz").status_code == 200
        line.mend()
        assert user.post("/v1/notes", json={"title": "c"}).status_code == 201
        titles = [item["title"] for item in user.get("/v1/notes").json["items"]]
        assert titles == ["a", "c"]

    def test_a_worker_tells_of_its_broker(
        self, app_on, tmp_path, rabbitmq_accounts, cable, wait_for
    ):
        line = cable(rabbitmq_accounts["notes"])
        app = app_on(f"sqlite:///{tmp_path / 'notes.db'}", line.url)
        service = app.extensions["crm"]
        service.migrations.upgrade()
        service.start_worker()
        wait_for(lambda: all(readiness(app).values()))
        assert readiness(app).keys() == {
            "database",
            "migrations",
            "worker",
            "broker",
            "consumer",
        }
        line.cut()
        wait_for(lambda: not readiness(app)["broker"] and not readiness(app)["consumer"])
        assert readiness(app)["worker"]
        line.mend()
        wait_for(lambda: all(readiness(app).values()))
        with service.database.transaction() as session:
            write(session, {"title": "still relayed"})
        wait_for(lambda: metrics(app)["crm_outbox_depth"] == 0)

    def test_a_worker_outlives_its_database(self, app_on, postgres_url, cable, wait_for):
        line = cable(postgres_url)
        app = app_on(line.url)
        service = app.extensions["crm"]
        service.migrations.upgrade()
        service.start_worker()
        wait_for(lambda: all(readiness(app).values()))
        line.cut()
        wait_for(lambda: not readiness(app)["database"])
        line.mend()
        wait_for(lambda: all(readiness(app).values()))
        with service.database.transaction() as session:
            note = write(session, {"title": "still relayed"})
            outbox.discard(session)
            outbox.record(session, SHREDDED, note, state_of)
        wait_for(lambda: metrics(app)["crm_outbox_depth"] == 0)

    def test_a_worker_that_was_stopped_is_not_ready(self, app_on, tmp_path, wait_for):
        app = app_on(f"sqlite:///{tmp_path / 'notes.db'}")
        service = app.extensions["crm"]
        service.migrations.upgrade()
        worker = service.start_worker()
        wait_for(lambda: all(readiness(app).values()))
        worker.stop()
        assert not readiness(app)["worker"]


def metrics(app: Flask) -> dict[str, float]:
    """Every sample, by name and labels."""
    answer = app.test_client().get("/metrics")
    assert answer.status_code == 200
    return {
        "".join([sample.name, *(f",{value}" for value in sample.labels.values())]): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def written_by(producer: str) -> Event:
    """An event that the notes service handles."""
    loan_id = new_id()
    return Event(
        id=new_id(),
        type=LENT,
        source=f"/crm/{producer}",
        subject=loan_id,
        time=utc_now(),
        sequence=1,
        data={"id": loan_id, "note_id": loan_id},
        actor=producer,
        correlationid="visit-9",
    )


class TestMetrics:
    def test_the_outbox_tells_its_depth_and_age(self, notes):
        assert metrics(notes.app)["crm_outbox_depth"] == 0
        assert metrics(notes.app)["crm_outbox_age_seconds"] == 0
        with notes.service.database.transaction() as session:
            write(session, {"title": "a"})
            write(session, {"title": "b"})
        assert metrics(notes.app)["crm_outbox_depth"] == 2
        with notes.service.database.transaction() as session:
            an_hour_ago = utc_now() - timedelta(hours=1)
            session.execute(update(outbox.outbox).values(recorded_at=an_hour_ago))
        assert 3_600 <= metrics(notes.app)["crm_outbox_age_seconds"] < 3_700

    def test_what_was_relayed_handled_and_parked_is_counted(
        self, make_service, exchanges, wait_for
    ):
        def refuse_secrets(session: Any, events: Any) -> None:
            if any(event.data["title"] == "secret" for event in events):
                raise Refused("secret")

        notes = make_service("notes", exchanges=exchanges)
        library = make_service(
            "library", exchanges=exchanges, subscriptions={WRITTEN: refuse_secrets}
        )
        for service in (notes, library):
            service.service.start_worker()
        for title in ("a", "b", "secret"):
            notes.as_user().post("/v1/notes", json={"title": title})
        wait_for(lambda: metrics(notes.app)["crm_relay_events_total"] == 3)
        assert metrics(notes.app)["crm_outbox_depth"] == 0
        found = metrics(library.app)
        assert found["crm_consumer_events_total,applied"] == 2
        assert found["crm_consumer_events_total,parked"] == 1
        assert found["crm_parked_events"] == 1

    def test_how_fresh_what_was_handled_is(self, notes, wait_for):
        event = written_by("library")
        notes.deliver(event)
        found = metrics(notes.app)
        assert found["crm_consumer_batch_events_count"] >= 1
        assert found["crm_consumer_lag_seconds_count,library"] >= 1
        newest = "crm_consumer_newest_event_timestamp_seconds,library"
        assert found[newest] == pytest.approx(event.time.timestamp())

    def test_failed_attempts_are_counted(self, make_service):
        def refuse(session: Any, events: Any) -> None:
            raise Refused("never")

        notes = make_service("notes", subscriptions={LENT: refuse})
        notes.deliver(written_by("library"))
        found = metrics(notes.app)
        assert found["crm_consumer_failures_total,batch"] == 1
        assert found["crm_consumer_failures_total,event"] == 1

    def test_timers_that_are_late_are_told(self, notes):
        assert metrics(notes.app)["crm_timers_overdue"] == 0
        hour = timedelta(hours=1)
        with notes.service.database.transaction() as session:
            set_timers(session, "late", {"a": utc_now() - hour, "b": utc_now() + hour})
        found = metrics(notes.app)
        assert found["crm_timers_overdue"] == 1
        assert 3_600 <= found["crm_timers_overdue_seconds"] < 3_700

    def test_imports_that_wait_are_told(self, notes):
        assert metrics(notes.app)["crm_import_jobs,queued"] == 0
        user = notes.as_user()
        columns = {"id": "external_id", "title": "title"}
        job = user.post("/v1/imports", json={"resource": "notes", "columns": columns}).json
        file = {"data": b"id,title\n1,a\n", "headers": {"Content-Type": "text/csv"}}
        assert user.put(f"/v1/imports/{job['id']}/content", **file).status_code == 202
        with notes.service.database.transaction() as session:
            an_hour_ago = utc_now() - timedelta(hours=1)
            session.execute(update(import_jobs).values(started_at=an_hour_ago))
        found = metrics(notes.app)
        assert found["crm_import_jobs,queued"] == 1
        assert found["crm_import_jobs,running"] == 0
        assert 3_600 <= found["crm_import_wait_seconds"] < 3_700

    def test_a_process_tells_of_itself(self, notes):
        found = metrics(notes.app)
        assert found["crm_build_info,1.0.0"] == 1
        assert found["crm_ready,database"] == found["crm_ready,migrations"] == 1
        assert "crm_ready,consumer" not in found
        assert found["crm_web_threads"] == notes.service.settings.web_threads
        assert found["process_resident_memory_bytes"] > 1_000_000
        assert found["crm_database_connections_in_use"] <= found["crm_database_pool_size"]

    def test_only_one_of_two_workers_relays(self, make_service, postgres_url, wait_for):
        both = [make_service("notes", postgres_url) for _ in range(2)]
        for each in both:
            each.service.start_worker()
        wait_for(lambda: all(metrics(each.app)["crm_ready,broker"] for each in both))
        assert sum(metrics(each.app)["crm_relay_active"] for each in both) == 1

    def test_requests_under_way_are_told(self, make_service):
        during = []
        notes = make_service("notes")
        notes.app.before_request(
            lambda: (
                during.append(metrics(notes.app)["crm_requests_in_progress"])
                if request.path == "/v1/notes"
                else None
            )
        )
        notes.as_user().get("/v1/notes")
        assert during == [1]
        assert metrics(notes.app)["crm_requests_in_progress"] == 0

    def test_requests_are_counted_by_route_and_not_by_address(self, make_service):
        notes = make_service("notes")
        user = notes.as_user()
        note_id = user.post("/v1/notes", json={"title": "a"}).json["id"]
        user.get(f"/v1/notes/{note_id}")
        user.get("/v1/nothing-of-the-kind")
        found = metrics(notes.app)
        assert found["crm_requests_total,POST,/v1/notes,201"] == 1
        assert found["crm_requests_total,GET,/v1/notes/<uuid:note_id>,200"] == 1
        assert found["crm_requests_total,GET,unmatched,404"] == 1
        assert not any(note_id in name or "nothing" in name for name in found)

    def test_methods_that_clients_make_up_are_counted_as_one(self, make_service):
        notes = make_service("notes")
        for method in ("BREW", "STEAL"):
            notes.as_user().call(method, "/v1/notes")
        found = metrics(notes.app)
        assert found["crm_requests_total,OTHER,unmatched,405"] == 2
        assert not any("BREW" in name for name in found)

    def test_without_a_database_the_other_figures_are_still_told(
        self, make_service: Callable[..., Harness], postgres_url, cable
    ):
        line = cable(postgres_url)
        notes = make_service("notes", line.url)
        line.cut()
        notes.as_user().get("/v1/notes")
        found = metrics(notes.app)
        assert "crm_outbox_depth" not in found
        assert found["crm_requests_total,GET,/v1/notes,503"] == 1
