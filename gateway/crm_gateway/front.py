"""The gateway's one door: paths of services go to the proxy, all others to the Flask app."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator
from http import HTTPStatus
from typing import Any

import orjson
import structlog
from opentelemetry import trace
from opentelemetry.trace import SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from structlog.contextvars import bound_contextvars

from crm_chassis.auth import Principal
from crm_chassis.context import correlation_id_of
from crm_chassis.health import method_label
from crm_chassis.problems import CONTENT_TYPE, DATABASE_FAULTS, Problem, body_of, from_database
from crm_gateway.proxy import Answer, Body, is_clean
from crm_gateway.request_log import log_request
from crm_gateway.routes import Route
from crm_gateway.wiring import Gateway
from crm_gateway.wsgi import Application, Environ, Headers, StartResponse

log = structlog.get_logger(__name__)

SECURITY_HEADERS = (
    ("Cache-Control", "no-store"),
    ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"),
    ("Referrer-Policy", "no-referrer"),
    ("Strict-Transport-Security", "max-age=31536000"),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
)
"""Sent with every answer that does not say otherwise itself."""

_PATH = re.compile(r"/api/(?P<service>[^/]+)(?P<path>/v1(?:/.*)?)", re.DOTALL)
_PROPAGATOR = TraceContextTextMapPropagator()


class Front:
    """A WSGI application in front of the gateway's Flask app, ``app``."""

    def __init__(
        self,
        app: Application,
        gateway: Gateway,
        tracer: trace.Tracer,
        registry: CollectorRegistry,
        in_progress: Gauge,
    ) -> None:
        self._app = app
        self._gateway = gateway
        self._routes = {route.service: route for route in gateway.routes}
        self._tracer = tracer
        self._seconds = Histogram(
            "crm_forwarded_seconds",
            "Time from a request for a service to the last byte of its answer",
            ["upstream", "method", "status"],
            registry=registry,
        )
        self._failures = Counter(
            "crm_upstream_failures",
            "Requests to which a service gave no answer of its own",
            ["upstream", "problem"],
            registry=registry,
        )
        self._in_progress = in_progress

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        start_response = _hardened(start_response)
        match = _PATH.fullmatch(environ["PATH_INFO"])
        route = self._routes.get(match["service"]) if match else None
        if match is None or route is None:
            return self._app(environ, start_response)
        if route.setting is None:
            own = {**environ, "SCRIPT_NAME": route.prefix, "PATH_INFO": match["path"]}
            return self._app(own, start_response)
        visit = _Visit(environ, route, self._tracer, self._seconds, self._in_progress)
        with trace.use_span(visit.span), bound_contextvars(correlation_id=visit.correlation_id):
            answer = self._answer(visit, match["path"])
        return visit.send(answer, start_response)

    def _answer(self, visit: _Visit, path: str) -> Answer:
        try:
            return self._forward(visit, path)
        except Problem as problem:
            return _refusal(problem, visit.path)
        except DATABASE_FAULTS as error:
            return _refusal(from_database(error), visit.path)
        except Exception:
            log.exception("request.failed", path=visit.path)
            fault = Problem(500, "internal", "The request failed; the fault is logged.")
            return _refusal(fault, visit.path)

    def _forward(self, visit: _Visit, path: str) -> Answer:
        if not is_clean(path):
            raise Problem(400, "path-malformed", "The path can be read in two ways.")
        authorization = visit.environ.get("HTTP_AUTHORIZATION", "")
        visit.principal, visit.limits = self._gateway.admission.admit(authorization)
        token = self._gateway.internal_tokens.token(visit.principal, visit.route)
        headers = {"Authorization": f"Bearer {token}", "X-Correlation-ID": visit.correlation_id}
        _PROPAGATOR.inject(headers)
        try:
            return self._gateway.upstreams[visit.route.service].forward(
                visit.environ, path, headers
            )
        except Problem as problem:
            if problem.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
                self._failures.labels(visit.route.service, problem.code).inc()
            raise


class _Visit:
    """One request on its way through: its span, its clock, and its line in the log."""

    def __init__(
        self,
        environ: Environ,
        route: Route,
        tracer: trace.Tracer,
        seconds: Histogram,
        in_progress: Gauge,
    ) -> None:
        self._seconds = seconds
        self._in_progress = in_progress
        in_progress.inc()
        self.started = time.perf_counter()
        self.environ = environ
        self.route = route
        self.method: str = environ["REQUEST_METHOD"]
        self.path: str = environ["PATH_INFO"]
        self.principal: Principal | None = None
        self.limits: Headers = []
        self.correlation_id = correlation_id_of(environ.get("HTTP_X_CORRELATION_ID", ""))
        parent = {
            "traceparent": environ.get("HTTP_TRACEPARENT", ""),
            "tracestate": environ.get("HTTP_TRACESTATE", ""),
        }
        self.span = tracer.start_span(
            f"{method_label(self.method)} {route.prefix}",
            context=_PROPAGATOR.extract(parent),
            kind=SpanKind.SERVER,
            attributes={
                "http.request.method": self.method,
                "http.route": route.prefix,
                "url.path": self.path,
            },
        )

    def send(self, answer: Answer, start_response: StartResponse) -> Iterable[bytes]:
        """Start the response, and give its body; the visit ends when that is through."""
        own = [*self.limits, ("X-Correlation-ID", self.correlation_id)]
        names = {name.lower() for name, _ in own}
        theirs = [header for header in answer.headers if header[0].lower() not in names]
        status, headers = f"{answer.status} {answer.reason}", theirs + own
        if answer.stream is None:
            self._end(answer.status)
            start_response(status, headers)
            return [answer.whole or b""]
        body = _Watched(answer.stream, lambda: self._end(answer.status))
        try:
            start_response(status, headers)
        except Exception:
            body.close()  # the server will not: it was not given it
            raise
        return body

    def _end(self, status: int) -> None:
        seconds = time.perf_counter() - self.started
        self._in_progress.dec()
        method = method_label(self.method)
        self._seconds.labels(self.route.service, method, status).observe(seconds)
        self.span.set_attribute("http.response.status_code", status)
        if status >= 500:
            self.span.set_status(StatusCode.ERROR)
        self.span.end()
        log_request(
            self.principal,
            method=self.method,
            service=self.route.service,
            path=self.path,
            address=self.environ.get("REMOTE_ADDR"),
            status=status,
            seconds=seconds,
            correlation_id=self.correlation_id,
        )


class _Watched:
    """A streamed body that tells when it is through."""

    def __init__(self, body: Body, ended: Callable[[], None]) -> None:
        self._body = body
        self._ended = ended

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._body)

    def close(self) -> None:
        try:
            self._body.close()
        finally:
            self._ended()


def _refusal(problem: Problem, instance: str) -> Answer:
    body = orjson.dumps(body_of(problem, instance))
    headers = [
        ("Content-Type", CONTENT_TYPE),
        ("Content-Length", str(len(body))),
        *problem.headers.items(),
    ]
    return Answer(problem.status, HTTPStatus(problem.status).phrase, headers, whole=body)


def _hardened(start_response: StartResponse) -> StartResponse:
    """Add the security headers that the answer does not have itself."""

    def start(status: str, headers: Headers, *exc_info: Any) -> Any:
        present = {name.lower() for name, _ in headers}
        missing = [header for header in SECURITY_HEADERS if header[0].lower() not in present]
        return start_response(status, [*headers, *missing], *exc_info)

    return start
