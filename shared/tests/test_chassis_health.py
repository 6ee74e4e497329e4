"""Readiness and metrics tell what is really there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from notes_service import SHREDDED, WRITTEN, create_app, state_of, write
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import update

from crm_chassis import outbox
from crm_chassis.database import utc_now
from crm_chassis.events import Refused
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
