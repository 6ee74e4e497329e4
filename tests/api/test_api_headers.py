"""The document names If-Match and Idempotency-Key just where a service heeds them."""

from __future__ import annotations

from typing import Any

from crm_chassis.testing_harness import problem_fields

A_KEY_TOO_LONG = {"Idempotency-Key": "k" * 201, "If-Match": '"1"'}


def headers_named(rows: Any) -> set[tuple[str, str]]:
    """The operations of the document with each header that it names."""
    document = rows.harness.anonymous().get("/openapi.json").json
    return {
        (str(operation), parameter["name"])
        for operation in rows.operations()
        for parameter in document["paths"][operation.template][operation.method]["parameters"]
        if parameter["in"] == "header"
    }


def call(rows: Any, operation: Any, headers: dict[str, str]) -> Any:
    """The answer to the owner who sends nothing of use, or a file where one is wanted."""
    if operation.method == "post" and operation.path.endswith("/attachments"):
        path, body = f"{operation.path}?filename=a.txt", {"data": b"a text"}
    else:
        path, body = operation.path, {"json": {}}
    return rows.owner.call(operation.method.upper(), path, headers, **body)


def test_a_header_is_named_just_where_it_is_heeded(rows_of_every_service: Any) -> None:
    rows = rows_of_every_service
    heeded = set()
    for operation in rows.operations():
        if operation.method == "get":
            continue
        if call(rows, operation, {}).status_code == 428:
            heeded.add((str(operation), "If-Match"))
        answer = call(rows, operation, A_KEY_TOO_LONG)
        if answer.status_code == 422 and problem_fields(answer) == ["Idempotency-Key"]:
            heeded.add((str(operation), "Idempotency-Key"))
    assert headers_named(rows) == heeded
