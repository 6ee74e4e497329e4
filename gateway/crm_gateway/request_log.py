"""The line that each request leaves in the log, whoever answered it."""

from __future__ import annotations

import structlog

from crm_chassis.auth import Principal

log = structlog.get_logger("crm_gateway.requests")


def log_request(
    principal: Principal | None,
    *,
    method: str,
    service: str,
    path: str,
    address: str | None,
    status: int,
    seconds: float,
    correlation_id: str,
) -> None:
    """Tell who asked for what, and what came of it.

    :param path: without its query: that may hold what somebody searched for.
    :param address: of the client.
    :param seconds: from the request to the end of its answer.
    """
    log.info(
        "request",
        principal=principal.id if principal else None,
        kind=principal.kind if principal else None,
        method=method,
        service=service,
        path=path,
        address=address,
        status=status,
        ms=round(seconds * 1000, 1),
        correlation_id=correlation_id,
    )
