"""``/api/openapi.json``, and ``/api/docs`` to browse it."""

from __future__ import annotations

from flask import Blueprint, Response
from flask_swagger_ui import get_swaggerui_blueprint

from crm_gateway.wiring import current_gateway

DOCUMENT = "/api/openapi.json"
BROWSER = "/api/docs"

# The page of Swagger UI starts itself with a script in the page, and styles its parts in place.
_BROWSER_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; frame-ancestors 'none'"
)

document = Blueprint("openapi", __name__)


@document.get(DOCUMENT)
def _document() -> Response:
    return Response(current_gateway().documents.merged(), content_type="application/json")


def browser() -> Blueprint:
    """Swagger UI, its files out of the installed package."""
    blueprint: Blueprint = get_swaggerui_blueprint(
        BROWSER, DOCUMENT, config={"app_name": "CRM", "docExpansion": "none", "filter": True}
    )

    @blueprint.after_request
    def _policy(response: Response) -> Response:
        response.headers["Content-Security-Policy"] = _BROWSER_POLICY
        response.headers["Cache-Control"] = "public, max-age=3600"
        return response

    return blueprint
