"""One win is one trace: gateway, sales, relay, reporting and their SQL."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from crm_chassis.telemetry import Telemetry
from crm_local.platform import Platform
from crm_local.testing import Running, embedded_platform


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def traced(tmp_path: Path, exporter: InMemorySpanExporter) -> Iterator[Running]:
    with embedded_platform(tmp_path, lambda name: Telemetry(name, exporter)) as running:
        yield running


def service_of(span: ReadableSpan) -> str:
    return str(span.resource.attributes["service.name"])


def finished(running: Running, exporter: InMemorySpanExporter) -> tuple[ReadableSpan, ...]:
    assert isinstance(running.inside, Platform)
    for service in running.inside.services.values():
        provider = service.telemetry.provider
        assert isinstance(provider, TracerProvider)
        provider.force_flush()
    return exporter.get_finished_spans()


def test_a_win_is_one_tree_of_linked_spans(
    traced: Running, exporter: InMemorySpanExporter, eventually: Callable[..., Any]
) -> None:
    client = traced.client()
    deal = client.post(
        "/api/sales/v1/opportunities", {"name": "Traced", "amount": "5", "currency": "EUR"}
    )
    client.post(
        f"/api/sales/v1/opportunities/{deal['id']}/win", {}, if_match=f'"{deal["version"]}"'
    )

    def trace() -> list[ReadableSpan]:
        spans = finished(traced, exporter)
        door = next(
            span
            for span in spans
            if service_of(span) == "crm-gateway"
            and str(span.attributes.get("url.path", "")).endswith("/win")
        )
        return [span for span in spans if span.context.trace_id == door.context.trace_id]

    def whole() -> bool:
        spans = trace()
        ids = {span.context.span_id for span in spans}
        services = {service_of(span) for span in spans}
        return {"crm-gateway", "crm-sales", "crm-reporting"} <= services and all(
            span.parent.span_id in ids for span in spans if span.parent is not None
        )

    eventually(whole, True)
    spans = trace()
    roots = [span for span in spans if span.parent is None]
    assert [service_of(root) for root in roots] == ["crm-gateway"]
    published = named(spans, "crm-sales", "publish")
    processed = named(spans, "crm-reporting", "process")
    assert published.links
    assert processed.links
    for service, above in (("crm-sales", None), ("crm-reporting", processed)):
        statements = [
            span for span in spans if service_of(span) == service and "db.system" in span.attributes
        ]
        assert statements, service
        if above is not None:
            assert any(span.parent.span_id == above.context.span_id for span in statements)


def named(spans: list[ReadableSpan], service: str, operation: str) -> ReadableSpan:
    return next(
        span for span in spans if service_of(span) == service and span.name.startswith(operation)
    )
