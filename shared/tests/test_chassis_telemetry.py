"""One trace runs from a request through outbox, broker and consumer into the handler's SQL."""

from __future__ import annotations

import pytest
from notes_service import readings
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind
from sqlalchemy import func, select

from crm_chassis.telemetry import Telemetry
from crm_chassis.testing_harness import Harness


class Traced:
    """Notes and library, both with their workers running, and their spans."""

    def __init__(self, make_service, exchanges) -> None:
        self._exporters = {name: InMemorySpanExporter() for name in ("notes", "library")}
        self.notes, self.library = (
            make_service(name, exchanges=exchanges, telemetry=Telemetry(name, exporter))
            for name, exporter in self._exporters.items()
        )

    def start(self) -> None:
        for service in (self.notes, self.library):
            service.service.start_worker()

    def readings(self) -> int:
        with self.library.service.database.reading() as session:
            return session.scalar(select(func.count()).select_from(readings))

    def spans(self, service: Harness) -> list[ReadableSpan]:
        service.service.telemetry.provider.force_flush()
        return list(self._exporters[service.name].get_finished_spans())


@pytest.fixture
def traced(make_service, exchanges) -> Traced:
    return Traced(make_service, exchanges)


def of_kind(spans: list[ReadableSpan], kind: SpanKind) -> list[ReadableSpan]:
    return [span for span in spans if span.kind == kind]


def below(parent: ReadableSpan, spans: list[ReadableSpan]) -> list[ReadableSpan]:
    """The spans directly below another one."""
    return [span for span in spans if span.parent and span.parent.span_id == parent.context.span_id]


def test_a_request_and_all_that_follows_from_it_are_one_trace(traced, wait_for):
    traced.start()
    caller = f"00-{'a' * 32}-{'b' * 16}-01"
    traced.notes.as_user().post(
        "/v1/notes", json={"title": "Buy milk"}, headers={"traceparent": caller}
    )
    wait_for(lambda: traced.readings() == 1)
    wait_for(lambda: of_kind(traced.spans(traced.notes), SpanKind.PRODUCER))
    wait_for(lambda: of_kind(traced.spans(traced.library), SpanKind.CONSUMER))
    at_notes, at_library = traced.spans(traced.notes), traced.spans(traced.library)

    (request,) = of_kind(at_notes, SpanKind.SERVER)
    assert trace.format_trace_id(request.context.trace_id) == "a" * 32
    assert trace.format_span_id(request.parent.span_id) == "b" * 16
    assert any("INSERT" in span.name for span in below(request, at_notes))

    (event,) = traced.notes.published()
    span_id = trace.format_span_id(request.context.span_id)
    assert event.traceparent == f"00-{'a' * 32}-{span_id}-01"

    (publish,) = of_kind(at_notes, SpanKind.PRODUCER)
    (process,) = of_kind(at_library, SpanKind.CONSUMER)
    for span in (publish, process):
        assert span.context.trace_id == request.context.trace_id
        assert span.parent.span_id == request.context.span_id
        assert [link.context.span_id for link in span.links] == [request.context.span_id]
        assert span.attributes["messaging.batch.message_count"] == 1
    statements = [span.attributes["db.statement"] for span in below(process, at_library)]
    assert any("INSERT INTO readings" in statement for statement in statements)
    assert any("INSERT INTO inbox" in statement for statement in statements)
    assert process.resource.attributes["service.name"] == "crm-library"


def test_a_batch_of_several_traces_is_linked_to_each(traced, wait_for):
    for title in ("a", "b"):
        traced.notes.as_user().post("/v1/notes", json={"title": title})
    traced.start()
    wait_for(lambda: traced.readings() == 2)
    wait_for(lambda: of_kind(traced.spans(traced.notes), SpanKind.PRODUCER))
    spans = traced.spans(traced.notes)
    requests = of_kind(spans, SpanKind.SERVER)
    (publish,) = of_kind(spans, SpanKind.PRODUCER)
    assert len({span.context.trace_id for span in requests}) == 2
    assert {link.context.span_id for link in publish.links} == {
        span.context.span_id for span in requests
    }
    assert publish.parent is None


def test_a_problem_names_its_trace(traced):
    caller = f"00-{'c' * 32}-{'d' * 16}-01"
    answer = traced.notes.as_user().post("/v1/notes", json={}, headers={"traceparent": caller})
    assert answer.json["trace_id"] == "c" * 32


def test_what_only_looks_like_a_probe_is_traced(traced):
    for query in ("q=metrics", "q=http://host/readyz"):
        traced.notes.as_user().get(f"/v1/notes?{query}")
    assert len(of_kind(traced.spans(traced.notes), SpanKind.SERVER)) == 2


def test_probes_are_not_traced(traced):
    for path in ("/healthz", "/readyz", "/metrics"):
        traced.notes.anonymous().get(path)
    assert of_kind(traced.spans(traced.notes), SpanKind.SERVER) == []


def test_without_an_exporter_events_carry_no_trace(make_service):
    notes = make_service("notes")
    notes.as_user().post("/v1/notes", json={"title": "Buy milk"})
    assert notes.published()[0].traceparent is None
