"""The OpenAPI document tells what every operation of every service has in common."""

from __future__ import annotations

import re
from typing import Any

import pytest

from crm_chassis.testing_harness import Harness, problem_fields

METHODS = {"get", "post", "put", "patch", "delete"}


A_KEY_TOO_LONG = {"Idempotency-Key": "k" * 201, "If-Match": '"1"'}


@pytest.fixture
def notes(make_service: Any) -> Harness:
    harness: Harness = make_service("notes")
    return harness


@pytest.fixture
def document(notes: Harness) -> dict[str, Any]:
    answer = notes.anonymous().get("/openapi.json")
    assert answer.json is not None
    return answer.json


def operations(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (path, method, operation)
        for path, entry in document["paths"].items()
        for method, operation in entry.items()
        if method in METHODS
    ]


def headers(operation: dict[str, Any]) -> set[str]:
    return {each["name"] for each in operation.get("parameters", []) if each["in"] == "header"}


def test_every_refusal_is_a_problem(document: dict[str, Any]) -> None:
    assert operations(document)
    for path, method, operation in operations(document):
        reference = operation["responses"]["default"]["$ref"].split("/")
        refusal = document["components"]["responses"][reference[-1]]
        content = refusal["content"]
        assert list(content) == ["application/problem+json"], (path, method)
        assert content["application/problem+json"]["schema"]["$ref"].endswith("/ProblemDetails")


def test_a_header_is_named_just_where_it_is_heeded(
    notes: Harness, document: dict[str, Any]
) -> None:
    writer = notes.as_user()
    note = writer.post("/v1/notes", json={"title": "Buy milk"}).json
    assert note is not None
    named, heeded = set(), set()
    for path, method, operation in operations(document):
        at = re.sub(r"{\w+}", note["id"], path)
        named |= {(path, method, name) for name in headers(operation)}
        answer = writer.call(method.upper(), at, json={})
        if answer.status_code == 428:
            heeded.add((path, method, "If-Match"))
        answer = writer.call(method.upper(), at, json={}, headers=A_KEY_TOO_LONG)
        if answer.status_code == 422 and problem_fields(answer) == ["Idempotency-Key"]:
            heeded.add((path, method, "Idempotency-Key"))
    assert named == heeded
    assert {name for *_, name in heeded} == {"If-Match", "Idempotency-Key"}


def test_the_body_of_a_change_has_a_schema_without_required_fields(
    document: dict[str, Any],
) -> None:
    changes = {n: s for n, s in document["components"]["schemas"].items() if n.endswith("Changes")}
    assert changes
    assert not any(schema.get("required") for schema in changes.values())
