"""Whatever is sent, no request fails in the service, and every answer is as the document says."""

from __future__ import annotations

from typing import Any

import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

CHECKS = [
    not_a_server_error,
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
]
_SETTINGS = settings(
    max_examples=8,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


def test_no_request_fails_and_no_answer_is_out_of_its_schema(rows: Any) -> None:
    api = schemathesis.openapi.from_wsgi("/openapi.json", rows.harness.app)
    there = {(each.method, each.template): each for each in rows.operations()}
    wrong = []
    for result in api.get_all_operations():
        operation = result.ok()
        addressed = there.pop((operation.method.lower(), operation.path))
        try:
            _try(operation, rows, addressed.parameters)
        except FailureGroup as failures:
            wrong.append(f"{addressed}: {failures.exceptions[0].message[:300]}")
    assert wrong == []
    assert there == {}


def _try(operation: Any, rows: Any, parameters: dict[str, str]) -> None:
    """Send generated requests, half of them to a row that is there."""

    @_SETTINGS
    @given(case=operation.as_strategy(), addressed=st.booleans())
    def send(case: Any, addressed: bool) -> None:
        if addressed and parameters:
            case.path_parameters = parameters
            if operation.method != "get":
                case.headers["If-Match"] = '"1"'
        case.headers.update(rows.owner.authorization)
        case.call_and_validate(checks=CHECKS)

    send()
