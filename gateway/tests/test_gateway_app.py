"""Settings, commands, health, logs and traces."""

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from sqlalchemy.exc import OperationalError

from crm_chassis.settings import SettingsError
from crm_chassis.telemetry import Telemetry
from crm_gateway.app import create_app
from crm_gateway.first_start import first_start
from crm_gateway.settings import GatewaySettings
from crm_gateway.testing_harness import (
    ADMIN_EMAIL,
    SEALING_KEY,
    Caller,
    Running,
    StubService,
    running_gateway,
    settings_for,
)

ACCOUNTS = "/api/customer/v1/accounts"
REQUIRED = {
    "DATABASE_URL",
    "BROKER_URL",
    "CUSTOMER_URL",
    "SALES_URL",
    "MARKETING_URL",
    "SERVICE_DESK_URL",
    "REPORTING_URL",
    "SEALING_KEY",
}


def test_every_missing_variable_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in REQUIRED:
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(SettingsError) as missing:
        create_app()
    named = {line.strip().partition(":")[0] for line in str(missing.value).splitlines()[1:]}
    assert named == REQUIRED


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in REQUIRED:
        monkeypatch.setenv(name, f"http://{name.lower()}")
    monkeypatch.setenv("SEALING_KEY", SEALING_KEY)
    monkeypatch.setenv("SESSION_DAYS", "7")
    settings = GatewaySettings.from_environment("gateway")
    assert settings.sales_url == "http://sales_url"
    assert settings.session_days == 7
    assert settings.sealing_key_bytes == bytes(32)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"sealing_key": "short"}, "SEALING_KEY"),
        ({"sealing_key": "***"}, "SEALING_KEY"),
        ({"rate_limit": "often"}, "RATE_LIMIT"),
    ],
)
def test_wrong_settings_are_named(tmp_path: Path, changes: dict[str, str], named: str) -> None:
    with pytest.raises(SettingsError, match=named):
        settings_for(tmp_path, "http://x", **changes)


def test_the_command_line_starts_and_rotates(tmp_path: Path) -> None:
    app = create_app(settings_for(tmp_path, "http://x", admin_password=""))

    def run(*command: str) -> str:
        with app.app_context():
            result = app.test_cli_runner().invoke(args=list(command))
        assert result.exit_code == 0, result
        return result.output

    run("migrate")
    assert run("init").startswith(f"Administrator: {ADMIN_EMAIL} / ")
    assert run("init") == "There is an administrator already.\n"
    assert run("keys", "rotate", "--at-once").startswith("Signing with ")
    assert [line.split()[1] for line in run("keys", "list").splitlines()] == [
        "retired",
        "active",
        "next",
    ]


def test_a_made_up_password_is_told_once_and_good(tmp_path: Path, service_address: str) -> None:
    settings = settings_for(tmp_path, service_address, admin_password="")
    app = create_app(settings)
    service = app.extensions["crm"]
    service.migrations.upgrade()
    made = first_start(service.database, settings)
    assert made is not None
    service.close()
    with running_gateway(settings) as gateway:
        assert gateway.sign_in(made.email, made.password)


def test_it_is_healthy_and_ready(gateway: Running) -> None:
    assert gateway.call("GET", "/healthz").json()["service"] == "gateway"
    ready = gateway.call("GET", "/readyz")
    assert ready.status == 200
    assert ready.json()["checks"] == {"database": True, "migrations": True}


def test_forwarded_requests_are_counted(gateway: Running, admin: Caller) -> None:
    admin.get(ACCOUNTS)
    metrics = gateway.call("GET", "/metrics").data.decode()
    line = 'crm_forwarded_seconds_count{method="GET",status="200",upstream="customer"} 1.0'
    assert line in metrics
    assert "crm_requests_in_progress 0.0" in metrics


@pytest.mark.parametrize("path", [ACCOUNTS, "/api/identity/v1/me"])
def test_made_up_methods_are_counted_as_one(gateway: Running, path: str) -> None:
    for method in ("PROPFIND", "MADEUP"):
        gateway.call(method, path)
    metrics = gateway.call("GET", "/metrics").data.decode()
    assert 'method="OTHER"' in metrics
    assert "PROPFIND" not in metrics
    assert "MADEUP" not in metrics


def test_requests_that_a_service_did_not_answer_are_counted(
    gateway: Running, admin: Caller
) -> None:
    admin.get("/api/reporting/v1/kpis")
    metrics = gateway.call("GET", "/metrics").data.decode()
    line = 'crm_upstream_failures_total{problem="service-away",upstream="reporting"} 1.0'
    assert line in metrics


def test_the_age_of_the_signing_key_is_told(gateway: Running, admin: Caller) -> None:
    metrics = gateway.call("GET", "/metrics").data.decode()
    (made_at,) = re.findall(r"^crm_signing_key_made_timestamp_seconds (\S+)$", metrics, re.M)
    assert 0 <= time.time() - float(made_at) < 3600


def test_each_request_leaves_a_line_that_names_who_did_what(
    gateway: Running, admin: Caller, caplog: pytest.LogCaptureFixture
) -> None:
    me = admin.get("/api/identity/v1/me").json()["id"]
    caplog.clear()
    admin.get(f"{ACCOUNTS}?q=13800138000", headers={"X-Correlation-ID": "c-1"})
    gateway.call("GET", "/api/identity/v1/users?q=secret")
    lines = [record.msg for record in caplog.records if record.name == "crm_gateway.requests"]
    forwarded, refused = lines
    assert forwarded["ms"] >= 0
    assert {name: forwarded[name] for name in forwarded if name not in ("ms", "timestamp")} == {
        "event": "request",
        "level": "info",
        "principal": me,
        "kind": "user",
        "method": "GET",
        "service": "customer",
        "path": ACCOUNTS,
        "address": "127.0.0.1",
        "status": 200,
        "correlation_id": "c-1",
    }
    assert (refused["principal"], refused["status"]) == (None, 401)
    assert refused["path"] == "/api/identity/v1/users"


def test_the_clients_trace_goes_on_in_the_gateway_and_the_service(
    tmp_path: Path, service: StubService, service_address: str
) -> None:
    exporter = InMemorySpanExporter()
    telemetry = Telemetry("gateway", exporter)
    trace_id, parent = "7731af10506bf2efc6f877186d76b07e", "ec66a78795e761d1"
    with running_gateway(settings_for(tmp_path, service_address), telemetry=telemetry) as gateway:
        admin = gateway.sign_in()
        headers = {"traceparent": f"00-{trace_id}-{parent}-01"}
        admin.get(ACCOUNTS, headers=headers)
        body = admin.get("/api/reporting/v2", headers=headers)
        telemetry.provider.force_flush()
    spans = [span for span in exporter.get_finished_spans() if span.name == "GET /api/customer"]
    (span,) = spans
    assert f"{span.context.trace_id:032x}" == trace_id
    assert f"{span.parent.span_id:016x}" == parent
    assert span.attributes["http.response.status_code"] == 200
    assert service.last.headers["Traceparent"] == f"00-{trace_id}-{span.context.span_id:016x}-01"
    assert body.status == 404


def test_a_problem_names_its_trace(tmp_path: Path, service_address: str) -> None:
    telemetry = Telemetry("gateway", InMemorySpanExporter())
    settings = settings_for(tmp_path, service_address)
    with running_gateway(settings, telemetry=telemetry) as gateway:
        trace_id = "7731af10506bf2efc6f877186d76b07e"
        headers = {"traceparent": f"00-{trace_id}-ec66a78795e761d1-01"}
        answer = gateway.call("GET", ACCOUNTS, headers=headers)
        assert answer.json()["trace_id"] == trace_id


def test_without_telemetry_the_clients_trace_is_passed_on(
    admin: Caller, service: StubService
) -> None:
    traceparent = "00-7731af10506bf2efc6f877186d76b07e-ec66a78795e761d1-01"
    admin.get(ACCOUNTS, headers={"traceparent": traceparent})
    assert service.last.headers["Traceparent"] == traceparent
    admin.get(ACCOUNTS, headers={"traceparent": "nonsense"})
    assert "Traceparent" not in service.last.headers


@pytest.mark.parametrize(
    "body", [b"{", b'{"name": NaN}', b"\xff\xfe", b'"text"', b"[1]", b'{"name": "a\x00b"}']
)
def test_broken_json_is_a_named_problem(admin: Caller, body: bytes) -> None:
    answer = admin.call(
        "POST",
        "/api/identity/v1/users",
        body=body,
        headers={"Content-Type": "application/json"},
    )
    assert answer.status in (400, 422), answer.data
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_twenty_megabytes_for_the_gateway_itself_are_a_413(gateway: Running, admin: Caller) -> None:
    body = json.dumps({"name": "x" * 20_000_000}).encode()
    answer: Any = gateway.app.test_client().post(
        "/api/identity/v1/users",
        data=body,
        headers={**admin.authorization, "Content-Type": "application/json"},
    )
    assert answer.status_code == 413
    assert answer.content_type == "application/problem+json"


@pytest.mark.parametrize("path", [ACCOUNTS, "/api/identity/v1/me"])
def test_without_its_database_nobody_new_is_let_in(
    gateway: Running, admin: Caller, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: Any) -> None:
        raise OperationalError("SELECT 1", None, ConnectionRefusedError("10.0.0.5"))

    monkeypatch.setattr("crm_gateway.admission.principal_of", away)
    answer = admin.get(path)
    assert answer.status == 503
    assert answer.headers["Retry-After"] == "2"
    assert answer.json()["type"] == "urn:crm:problem:database-away"
    assert "10.0.0.5" not in answer.data.decode()


@pytest.mark.parametrize("path", [ACCOUNTS, "/api/identity/v1/me"])
def test_a_fault_is_a_500_that_tells_nothing(
    gateway: Running, admin: Caller, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> None:
        raise ZeroDivisionError("inner matters")

    monkeypatch.setattr("crm_gateway.admission.principal_of", broken)
    answer = admin.get(path)
    assert answer.status == 500
    assert answer.json()["type"] == "urn:crm:problem:internal"
    assert "inner" not in answer.data.decode()
