"""The routing table: which service answers which paths, and on what terms.

``/api/<service>/v1/...`` at the gateway is ``/v1/...`` at the service.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

MEGABYTE = 1_000_000


@dataclass(frozen=True, slots=True)
class Route:
    """One service behind the gateway.

    :ivar service: its name in paths, and in the audience of the tokens made for it.
    :ivar setting: the setting with its base address; None for the gateway's own resources.
    :ivar permissions: first word of the permissions that the service is told of.
    :ivar connect_seconds: longer than this to connect, and the service counts as away.
    :ivar read_seconds: longer than this between two bytes, and the service counts as slow.
    :ivar body_bytes: the largest body of a request.
    """

    service: str
    setting: str | None
    permissions: str
    connect_seconds: float = 2.0
    read_seconds: float = 30.0
    body_bytes: int = 5 * MEGABYTE

    @property
    def prefix(self) -> str:
        return f"/api/{self.service}"


ROUTES = (
    Route("customer", "customer_url", permissions="customer"),
    Route("sales", "sales_url", permissions="sales"),
    Route("marketing", "marketing_url", permissions="marketing"),
    Route("service-desk", "service_desk_url", permissions="service-desk"),
    Route("reporting", "reporting_url", permissions="reporting", read_seconds=60.0),
    Route("identity", None, permissions="identity"),
)

UPLOAD_PATH = re.compile(r"/v1/(imports/[^/]+/content|[^/]+/[^/]+/attachments)")
"""Paths at a service that take a file of up to ``UPLOAD_BYTES`` instead of a document.

The service may take less: of attachments, ``ATTACHMENT_BYTES``.
"""

METHODS = frozenset({"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"})

REQUEST_HEADERS = (
    "Accept",
    "Accept-Encoding",
    "Accept-Language",
    "Content-Encoding",
    "Content-Type",
    "Idempotency-Key",
    "If-Match",
    "If-Modified-Since",
    "If-None-Match",
    "Last-Event-ID",
    "Prefer",
    "Range",
    "User-Agent",
)
"""The only headers of a client that reach a service: what is not named here cannot be forged.

The gateway adds its own ``Authorization``, ``X-Correlation-ID`` and trace context.
"""
