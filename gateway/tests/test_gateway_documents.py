"""One OpenAPI document of everything, and a page to browse it."""

import json
import re
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import schemathesis

from crm_chassis.database import new_id
from crm_gateway import documents
from crm_gateway.routes import ROUTES
from crm_gateway.testing_harness import Caller, Running, StubService, running_gateway, settings_for

ITEM = {"type": "object", "properties": {"parent": {"$ref": "#/components/schemas/Item"}}}
DOCUMENT = {
    "openapi": "3.1.0",
    "info": {"title": "CRM sales", "version": "1"},
    "tags": [{"name": "items", "description": "Items"}],
    "paths": {
        "/v1/items/{id}": {
            "parameters": [
                {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}
            ],
            "get": {
                "tags": ["items"],
                "operationId": "get_item",
                "responses": {
                    "200": {
                        "description": "An item",
                        "content": {
                            "application/json": {"schema": {"$ref": "#/components/schemas/Item"}}
                        },
                    },
                    "404": {"$ref": "#/components/responses/NotFound"},
                },
            },
            "patch": {
                "tags": ["items"],
                "operationId": "change_item",
                "parameters": [
                    {"in": "header", "name": "If-Match", "schema": {"type": "string"}},
                ],
                "responses": {"204": {"description": "Changed"}},
            },
        }
    },
    "components": {
        "schemas": {"Item": ITEM},
        "responses": {"NotFound": {"description": "None"}},
        "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
    },
}
METHODS = {"get", "post", "put", "patch", "delete"}
OWN_PATHS = ("/api/identity/", "/api/auth/")
A_KEY_TOO_LONG = {"Idempotency-Key": "k" * 201, "If-Match": '"1"'}


@pytest.fixture
def service(service: StubService) -> StubService:
    def behave(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        assert environ["PATH_INFO"] == "/openapi.json"
        body = json.dumps(DOCUMENT).encode()
        start_response("200 OK", [("Content-Length", str(len(body)))])
        return [body]

    service.behaviour = behave
    return service


def merged(gateway: Running) -> dict[str, Any]:
    answer = gateway.call("GET", "/api/openapi.json")
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "application/json"
    document: dict[str, Any] = answer.json()
    return document


def strings(value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, entry in value.items():
            if isinstance(entry, str):
                yield key, entry
            yield from strings(entry)
    elif isinstance(value, list):
        for entry in value:
            yield from strings(entry)


def test_every_service_is_in_it_under_its_own_names(gateway: Running, service: StubService) -> None:
    document = merged(gateway)
    assert document["x-unavailable"] == ["reporting"]
    for slug, prefix in (("sales", "Sales"), ("service-desk", "ServiceDesk")):
        path = document["paths"][f"/api/{slug}/v1/items/{{id}}"]
        operation = path["get"]
        assert operation["tags"] == [f"{slug}: items"]
        schema = operation["responses"]["200"]["content"]["application/json"]["schema"]
        assert schema == {"$ref": f"#/components/schemas/{prefix}Item"}
        assert operation["responses"]["404"] == {"$ref": f"#/components/responses/{prefix}NotFound"}
        inner = document["components"]["schemas"][f"{prefix}Item"]["properties"]["parent"]
        assert inner == {"$ref": f"#/components/schemas/{prefix}Item"}
    for path in ("/api/auth/token", "/api/identity/v1/users", "/api/identity/v1/me"):
        assert path in document["paths"]
    assert not [path for path in document["paths"] if not path.startswith("/api/")]


def test_it_holds_together(gateway: Running, service: StubService) -> None:
    document = merged(gateway)
    for key, value in strings(document):
        if key == "$ref":
            target: Any = document
            for step in value.removeprefix("#/").split("/"):
                target = target[step]
    operation_ids = [value for key, value in strings(document) if key == "operationId"]
    assert len(operation_ids) == len(set(operation_ids))
    tags = [tag["name"] for tag in document["tags"]]
    assert len(tags) == len(set(tags))
    assert document["components"]["securitySchemes"].keys() == {"bearer", "signIn"}
    operations = list(schemathesis.openapi.from_dict(document).get_all_operations())
    assert len(operations) > 25
    assert all(operation.ok() for operation in operations)


def test_a_header_is_named_just_where_it_is_heeded(gateway: Running, admin: Caller) -> None:
    named, heeded = set(), set()
    own = {path: e for path, e in merged(gateway)["paths"].items() if path.startswith(OWN_PATHS)}
    for path, entry in own.items():
        for method in METHODS & entry.keys():
            parameters = entry[method].get("parameters", [])
            named |= {(path, method, each["name"]) for each in parameters if each["in"] == "header"}
            at = re.sub(r"{\w+}", new_id(), path)
            answer = admin.call(method.upper(), at, json={})
            if answer.status == 428:
                heeded.add((path, method, "If-Match"))
            answer = admin.call(method.upper(), at, A_KEY_TOO_LONG, json={})
            if answer.status == 422 and "Idempotency-Key" in answer.data.decode():
                heeded.add((path, method, "Idempotency-Key"))
    assert named == heeded
    assert {name for *_, name in heeded} == {"If-Match", "Idempotency-Key"}


def test_what_a_service_says_of_headers_is_in_it(gateway: Running, service: StubService) -> None:
    operation = merged(gateway)["paths"]["/api/sales/v1/items/{id}"]["patch"]
    assert operation["parameters"] == DOCUMENT["paths"]["/v1/items/{id}"]["patch"]["parameters"]


def test_it_is_fetched_once_in_a_while(
    tmp_path: Path, service: StubService, service_address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running_gateway(settings_for(tmp_path, service_address)) as gateway:
        assert merged(gateway)["x-unavailable"] == []
        fetched = len(service.seen)
        assert fetched == 5
        merged(gateway)
        assert len(service.seen) == fetched
        monkeypatch.setattr(documents, "COMPLETE_SECONDS", -1.0)
        gateway.gateway.documents._merged = None
        merged(gateway)
        merged(gateway)
        assert len(service.seen) == 3 * fetched


class Hanging:
    """A service whose document does not come, once told so."""

    def __init__(self) -> None:
        self.hangs, self.enough, self.asked = False, threading.Event(), threading.Semaphore(0)

    def __call__(self, _environ: Any, start_response: Any) -> list[bytes]:
        if self.hangs:
            self.asked.release()
            self.enough.wait(5)
        body = json.dumps(DOCUMENT).encode()
        start_response("200 OK", [("Content-Length", str(len(body)))])
        return [body]


@pytest.fixture
def hanging(service: StubService, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hanging]:
    """The document is never good for long, and only the first to ask waits for one that hangs."""
    monkeypatch.setattr(documents, "COMPLETE_SECONDS", -1.0)
    monkeypatch.setattr(documents, "INCOMPLETE_SECONDS", -1.0)
    monkeypatch.setattr(documents, "FIRST_SECONDS", 0.05)
    service.behaviour = behaviour = Hanging()
    yield behaviour
    behaviour.enough.set()


def test_while_one_asks_a_service_that_hangs_the_others_have_the_last_document(
    gateway: Running, hanging: Hanging, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crm_gateway.proxy.DOCUMENT_SECONDS", 20.0)
    before = merged(gateway)
    hanging.hangs = True
    with ThreadPoolExecutor(1) as pool:
        refreshed = pool.submit(merged, gateway)
        assert hanging.asked.acquire(timeout=10)
        assert [merged(gateway) for _ in range(5)] == [before] * 5
        assert not refreshed.done()
        hanging.enough.set()
        assert refreshed.result(10) == before


def test_while_the_first_document_is_made_the_others_wait_for_a_moment_only(
    gateway: Running, hanging: Hanging, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crm_gateway.proxy.DOCUMENT_SECONDS", 20.0)
    hanging.hangs = True
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(merged, gateway)
        assert hanging.asked.acquire(timeout=10)
        answer = gateway.call("GET", "/api/openapi.json")
        assert answer.status == 503
        assert answer.json()["type"] == "urn:crm:problem:document-away"
        assert answer.headers["Retry-After"] == "2"
        hanging.enough.set()
        assert "/api/sales/v1/items/{id}" in first.result(10)["paths"]


def test_a_service_that_hangs_is_left_out_sooner_than_it_is_slow_for_others(
    tmp_path: Path, hanging: Hanging, service_address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crm_gateway.app.ROUTES", ROUTES)  # with their patience of half a minute
    monkeypatch.setattr("crm_gateway.proxy.DOCUMENT_SECONDS", 0.1)
    hanging.hangs = True
    with running_gateway(settings_for(tmp_path, service_address)) as gateway:
        started = time.monotonic()
        assert len(merged(gateway)["x-unavailable"]) == 5
        assert time.monotonic() - started < 10


@pytest.mark.parametrize("body", [b"not json", b"[]"])
def test_a_service_without_a_document_is_left_out(
    gateway: Running, service: StubService, body: bytes
) -> None:
    def behave(_environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Length", str(len(body)))])
        return [body]

    service.behaviour = behave
    document = merged(gateway)
    assert len(document["x-unavailable"]) == 5
    assert "/api/identity/v1/users" in document["paths"]


def test_the_page_and_all_it_needs_come_from_here(gateway: Running) -> None:
    page = gateway.call("GET", "/api/docs/")
    assert page.status == 200
    text = page.data.decode()
    assert "/api/openapi.json" in text
    links = re.findall(r'(?:src|href)="([^"]+)"', text)
    assert len(links) >= 4
    for link in links:
        assert link.startswith("/api/docs/"), link
        assert gateway.call("GET", link).status == 200, link
    assert "script-src 'self'" in page.headers["Content-Security-Policy"]
    assert page.headers["X-Content-Type-Options"] == "nosniff"


def test_the_page_is_found_without_its_slash(gateway: Running) -> None:
    answer = gateway.call("GET", "/api/docs")
    assert answer.status == 308
    assert answer.headers["Location"].endswith("/api/docs/")
