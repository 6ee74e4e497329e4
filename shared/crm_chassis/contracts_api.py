"""``/v1/events/contracts``: what this version publishes and handles, for the next one's check."""

from __future__ import annotations

from typing import Any

from flask.views import MethodView
from marshmallow import Schema, fields

from crm_chassis.auth import require
from crm_chassis.web import Blueprint, current_service
from crm_contracts.statements import state


class Statement(Schema):
    """What ``python -m crm_contracts compare`` reads."""

    service = fields.String()
    version = fields.String()
    publishes = fields.Dict(
        metadata={"description": "Event type to its consumers and the JSON Schema of its data."}
    )
    handles = fields.Dict(
        metadata={"description": "Event type to the JSON Schema by which it is read."}
    )


def contracts_blueprint(service_name: str) -> Blueprint:
    """The statement; needs the permission ``<service>.events.read``."""
    blueprint = Blueprint(
        "event_contracts",
        __name__,
        url_prefix="/v1/events/contracts",
        description="Contracts of events",
    )

    @blueprint.route("")
    class Contracts(MethodView):
        @blueprint.response(200, Statement)
        def get(self) -> dict[str, Any]:
            """What this version publishes and handles, and by which contracts."""
            require(f"{service_name}.events.read")
            service = current_service()
            handled = service.processor.handled_types
            return state(service.name, service.version, service.catalogue, handled).document()

    return blueprint
