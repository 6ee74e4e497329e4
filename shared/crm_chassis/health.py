"""``/healthz``, ``/readyz`` and ``/metrics``, told by what is really there."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from flask import Flask, Response, g, jsonify, request
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy.exc import DBAPIError

from crm_chassis import inbox, outbox
from crm_chassis.database import Database

if TYPE_CHECKING:
    from crm_chassis.service import Service


class _QueueDepths(Collector):
    """Read from the database when it is asked for."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def collect(self) -> Iterator[GaugeMetricFamily]:
        try:
            with self._database.reading() as session:
                depth, age = outbox.depth(session)
                parked = inbox.parked_count(session)
        except DBAPIError:
            return  # readiness tells of it; the other figures are still wanted
        yield GaugeMetricFamily("crm_outbox_depth", "Events not yet confirmed", depth)
        yield GaugeMetricFamily("crm_outbox_age_seconds", "Age of the oldest of them", age)
        yield GaugeMetricFamily("crm_parked_events", "Events waiting for a decision", parked)

    def describe(self) -> Iterator[GaugeMetricFamily]:
        return iter(())


def register(app: Flask, service: Service) -> None:
    """Add the three endpoints, which need no token, and count the requests."""
    registry: CollectorRegistry = service.registry
    registry.register(_QueueDepths(service.database))
    requests = Counter("crm_requests", "Requests", ["method", "route", "status"], registry=registry)
    seconds = Histogram(
        "crm_request_seconds", "Time to answer", ["method", "route"], registry=registry
    )

    @app.get("/healthz")
    def healthz() -> Response:
        return jsonify(status="ok", service=service.name, version=service.version)

    @app.get("/readyz")
    def readyz() -> tuple[Response, int]:
        checks = service.readiness()
        ready = all(checks.values())
        return jsonify(ready=ready, checks=checks), 200 if ready else 503

    @app.get("/metrics")
    def metrics() -> Response:
        return Response(generate_latest(registry), content_type="text/plain; version=0.0.4")

    @app.before_request
    def _start() -> None:
        g.started = time.perf_counter()

    @app.after_request
    def _count(response: Response) -> Response:
        route = request.url_rule.rule if request.url_rule else "unmatched"
        requests.labels(request.method, route, response.status_code).inc()
        seconds.labels(request.method, route).observe(time.perf_counter() - g.started)
        return response
