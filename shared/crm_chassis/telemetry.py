"""Traces that run from a request through outbox, broker and consumer into the handler's SQL.

Spans follow OpenTelemetry's messaging conventions. An event carries the context in which it was
recorded; publishing and processing are children of it when they handle one trace's events, and
are linked to every event of theirs in any case.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

import orjson
from flask import Flask
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.flask import FlaskInstrumentor
from opentelemetry.instrumentation.sqlalchemy.engine import EngineTracer
from opentelemetry.metrics import NoOpMeter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.trace import Link, SpanKind
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from sqlalchemy import Engine

from crm_chassis.events import Event

_PROPAGATOR = TraceContextTextMapPropagator()
_MAX_LINKS = 128
_CONNECTIONS = NoOpMeter("crm_chassis").create_up_down_counter("db.client.connections.usage")


class _Encoded(Protocol):
    @property
    def body(self) -> bytes: ...


class Telemetry:
    """A service's tracer. Without an exporter it costs next to nothing and records nothing.

    :param exporter: where spans go; usually :func:`exporter_for` the settings.
    """

    def __init__(self, service: str, exporter: SpanExporter | None) -> None:
        self._service = service
        self.provider: trace.TracerProvider = trace.NoOpTracerProvider()
        self.enabled = exporter is not None
        if exporter is not None:
            provider = TracerProvider(resource=Resource.create({"service.name": f"crm-{service}"}))
            provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=1000))
            self.provider = provider
        self.tracer = self.provider.get_tracer("crm_chassis")

    def instrument(self, app: Flask, engine: Engine, untraced: Iterable[str]) -> None:
        """Give every request and every statement a span.

        :param untraced: the paths of requests that get none.
        """
        if self.enabled:
            whole_urls = [rf"^\w+://[^/]+{re.escape(path)}(\?|$)" for path in untraced]
            FlaskInstrumentor().instrument_app(  # type: ignore[no-untyped-call]  # untyped there
                app, tracer_provider=self.provider, excluded_urls=",".join(whole_urls)
            )
            # SQLAlchemyInstrumentor takes one provider a process; here each service has its own.
            EngineTracer(  # type: ignore[no-untyped-call]  # untyped there
                self.tracer, engine, _CONNECTIONS
            )

    def shutdown(self) -> None:
        """Send what is still held."""
        if isinstance(self.provider, TracerProvider):
            self.provider.shutdown()

    @contextmanager
    def publishing(self, batch: Sequence[_Encoded]) -> Iterator[None]:
        """A span around sending encoded events to the broker."""
        if not self.enabled:
            yield
            return
        parents = [orjson.loads(entry.body).get("traceparent") for entry in batch]
        with self._messaging("publish", SpanKind.PRODUCER, parents):
            yield

    @contextmanager
    def processing(self, events: Sequence[Event]) -> Iterator[None]:
        """A span around handling events."""
        if not self.enabled:
            yield
            return
        with self._messaging("process", SpanKind.CONSUMER, [event.traceparent for event in events]):
            yield

    @contextmanager
    def _messaging(
        self, operation: str, kind: SpanKind, parents: Sequence[str | None]
    ) -> Iterator[None]:
        contexts = [_context(parent) for parent in dict.fromkeys(parents) if parent]
        spans = [trace.get_current_span(context).get_span_context() for context in contexts]
        one_trace = len({span.trace_id for span in spans}) == 1
        with self.tracer.start_as_current_span(
            f"{operation} crm.events",
            context=contexts[0] if one_trace else Context(),
            kind=kind,
            links=[Link(span) for span in spans[:_MAX_LINKS]],
            attributes={
                "messaging.system": "rabbitmq",
                "messaging.destination.name": "crm.events",
                "messaging.operation.type": operation,
                "messaging.batch.message_count": len(parents),
            },
        ):
            yield


def _context(traceparent: str) -> Context:
    return _PROPAGATOR.extract({"traceparent": traceparent}, context=Context())


def exporter_for(endpoint: str) -> SpanExporter | None:
    """An OTLP exporter to a collector's base address, or None for an empty one."""
    return OTLPSpanExporter(f"{endpoint.rstrip('/')}/v1/traces") if endpoint else None
