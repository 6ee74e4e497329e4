"""The OpenAPI documents of all services as one."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import orjson
import structlog

from crm_chassis.problems import Problem
from crm_gateway.proxy import RETRY_AFTER, Upstream
from crm_gateway.routes import Route

log = structlog.get_logger(__name__)

Document = dict[str, Any]

COMPLETE_SECONDS = 60.0
INCOMPLETE_SECONDS = 5.0
"""How long a merged document is kept, with every service in it or without."""
FIRST_SECONDS = 1.0
"""How long a request waits for the first document while another one makes it."""

_REFERENCE = "#/components/"
_SIGN_IN = "/api/auth/token"
_SECURITY_SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
    "signIn": {
        "type": "oauth2",
        "flows": {
            "password": {"tokenUrl": _SIGN_IN, "refreshUrl": _SIGN_IN, "scopes": {}},
            "clientCredentials": {"tokenUrl": _SIGN_IN, "scopes": {}},
        },
    },
}


@dataclass(frozen=True, slots=True)
class Merged:
    """The document as JSON, and until when it is good."""

    body: bytes
    good_until: float


class Documents:
    """Fetches, merges and keeps the documents.

    :param own: makes the gateway's own document.
    """

    def __init__(
        self,
        version: str,
        own: Callable[[], Document],
        routes: Iterable[Route],
        upstreams: Mapping[str, Upstream],
    ) -> None:
        self._version = version
        self._own = own
        self._routes = list(routes)
        self._upstreams = upstreams
        self._merged: Merged | None = None
        self._asking = threading.Lock()

    def merged(self) -> bytes:
        """One document of everything behind the gateway, as JSON.

        A service that is away is left out, and named in ``x-unavailable``. Only one request at a
        time asks the services anew; the others have the last document meanwhile.

        :raises Problem: 503 while there is none yet.
        """
        last = self._merged
        if last is not None and time.monotonic() <= last.good_until:
            return last.body
        if self._asking.acquire(timeout=FIRST_SECONDS if last is None else 0):
            try:
                if self._merged is last:
                    self._merged = self._merge()
            finally:
                self._asking.release()
        if self._merged is None:
            detail = "The document is being made."
            raise Problem(503, "document-away", detail, headers=RETRY_AFTER)
        return self._merged.body

    def _merge(self) -> Merged:
        with ThreadPoolExecutor(len(self._routes)) as pool:
            found = dict(zip(self._routes, pool.map(self._document, self._routes), strict=True))
        unavailable = [route.service for route, document in found.items() if document is None]
        merged: Document = {
            "openapi": "3.1.0",
            "info": {"title": "CRM", "version": self._version},
            "servers": [{"url": "/"}],
            "security": [{scheme: []} for scheme in _SECURITY_SCHEMES],
            "tags": [],
            "paths": {},
            "components": {"securitySchemes": _SECURITY_SCHEMES},
            "x-unavailable": unavailable,
        }
        for route, document in found.items():
            if document is not None:
                _add(merged, route, document)
        seconds = INCOMPLETE_SECONDS if unavailable else COMPLETE_SECONDS
        return Merged(orjson.dumps(merged), time.monotonic() + seconds)

    def _document(self, route: Route) -> Document | None:
        if route.setting is None:
            return self._own()
        try:
            document = orjson.loads(self._upstreams[route.service].fetch("/openapi.json"))
        except (Problem, orjson.JSONDecodeError) as error:
            log.warning("openapi.unavailable", service=route.service, error=str(error))
            return None
        return document if isinstance(document, dict) else None


def _add(merged: Document, route: Route, document: Document) -> None:
    document = _renamed(document, _prefix(route))
    for path, operations in document.get("paths", {}).items():
        public = f"{route.prefix}{path}" if path.startswith("/v1") else path
        merged["paths"][public] = _tagged(operations, route.service)
    for tag in document.get("tags", []):
        merged["tags"].append({**tag, "name": f"{route.service}: {tag['name']}"})
    for kind, components in document.get("components", {}).items():
        if kind != "securitySchemes":
            named = {f"{_prefix(route)}{name}": value for name, value in components.items()}
            merged["components"].setdefault(kind, {}).update(named)


def _prefix(route: Route) -> str:
    return "".join(word.capitalize() for word in route.service.split("-"))


def _renamed(value: Any, prefix: str) -> Any:
    """``value`` with every reference to a component turned to the component's name in the whole."""
    if isinstance(value, dict):
        return {key: _renamed(entry, prefix) for key, entry in value.items()}
    if isinstance(value, list):
        return [_renamed(entry, prefix) for entry in value]
    if isinstance(value, str) and value.startswith(_REFERENCE):
        kind, _, name = value.removeprefix(_REFERENCE).partition("/")
        return f"{_REFERENCE}{kind}/{prefix}{name}"
    return value


def _tagged(operations: Document, service: str) -> Document:
    """Path operations with tags, and operation ids, that are their service's own."""
    result: Document = {}
    for method, operation in operations.items():
        if isinstance(operation, dict):
            tags = [f"{service}: {tag}" for tag in operation.get("tags", [])]
            operation = {**operation, "tags": tags}
            if "operationId" in operation:
                operation["operationId"] = f"{service}-{operation['operationId']}"
        result[method] = operation
    return result
