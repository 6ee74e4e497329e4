"""The OpenAPI document tells what every operation of every service has in common."""

from __future__ import annotations

from typing import Any

import pytest

from crm_chassis.testing_harness import Harness

METHODS = {"get", "post", "put", "patch", "delete"}


@pytest.fixture
def document(make_service: Any) -> dict[str, Any]:
    notes: Harness = make_service("notes")
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


def test_the_headers_of_writing_operations_are_named(document: dict[str, Any]) -> None:
    for path, method, operation in operations(document):
        expected = {"Idempotency-Key"} if method == "post" else set()
        if method != "get" and "{" in path:
            expected.add("If-Match")
        assert headers(operation) == expected, (path, method)


def test_the_body_of_a_change_has_a_schema_without_required_fields(
    document: dict[str, Any],
) -> None:
    changes = {n: s for n, s in document["components"]["schemas"].items() if n.endswith("Changes")}
    assert changes
    assert not any(schema.get("required") for schema in changes.values())
