"""What goes through the gateway, and what does not."""

from __future__ import annotations

import json
from typing import Any


def problem(answer: Any, status: int, code: str) -> dict[str, Any]:
    assert answer.status == status, answer.data
    assert answer.headers["Content-Type"] == "application/problem+json"
    body: dict[str, Any] = json.loads(answer.data)
    assert body["type"] == f"urn:crm:problem:{code}", body
    assert body["status"] == status
    return body
