"""``/healthz``, ``/readyz`` and ``/metrics``, told by what is really there."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from flask import Flask, Response, g, jsonify, request
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from crm_chassis import __version__
from crm_chassis import metrics as figures

if TYPE_CHECKING:
    from crm_chassis.service import Service

PROBES = frozenset({"/healthz", "/readyz", "/metrics"})
"""Asked by machines, again and again; they are not requests that anybody waits for."""

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def method_label(method: str) -> str:
    """A request's method as metrics have it: one of a few, whatever a client makes up."""
    return method if method in _METHODS else "OTHER"


def register(app: Flask, service: Service) -> None:
    """Add the three endpoints, which need no token, and count the requests."""
    registry: CollectorRegistry = service.registry
    figures.register(service)
    requests = Counter("crm_requests", "Requests", ["method", "route", "status"], registry=registry)
    seconds = Histogram(
        "crm_request_seconds", "Time to answer", ["method", "route"], registry=registry
    )

    @app.get("/healthz")
    def healthz() -> Response:
        return jsonify(
            status="ok", service=service.name, version=service.version, chassis=__version__
        )

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
        if request.path not in PROBES:
            service.requests_in_progress.inc()
            g.in_progress = True

    @app.teardown_request
    def _end(_error: BaseException | None) -> None:
        if g.pop("in_progress", False):
            service.requests_in_progress.dec()

    @app.after_request
    def _count(response: Response) -> Response:
        route = request.url_rule.rule if request.url_rule else "unmatched"
        method = method_label(request.method)
        requests.labels(method, route, response.status_code).inc()
        seconds.labels(method, route).observe(time.perf_counter() - g.started)
        return response
