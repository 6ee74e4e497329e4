"""``/v1/clients``"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from flask.views import MethodView
from marshmallow import fields
from sqlalchemy import select
from sqlalchemy.orm import Session

from crm_chassis.auth import current_principal
from crm_chassis.fields import changes_of
from crm_chassis.paging import Listing, Page, equals, page_schema
from crm_chassis.web import Blueprint, check_version, current_service, reads, versioned
from crm_gateway.authority import administers, require_everywhere
from crm_gateway.clients import commands, queries
from crm_gateway.clients.models import Client
from crm_gateway.clients.schemas import ClientFields, ClientSecret, ClientView, NewSecret

READ, WRITE = "identity.clients.read", "identity.clients.write"
_KEPT = ("name", "team_id", "active", "roles", "own_grants")  # with the administrative act

LISTING = Listing(
    Client,
    sorts={"name": Client.name, "created_at": Client.created_at},
    default="name",
    filters={"active": equals(Client.active, fields.Boolean)},
    search=[Client.name],
)

blueprint = Blueprint("clients", __name__, url_prefix="/v1/clients", description="API clients")


@blueprint.route("")
class Clients(MethodView):
    @reads(READ)
    @blueprint.arguments(LISTING.schema, location="query")
    @blueprint.response(200, page_schema(ClientView))
    def get(self, query: dict[str, Any], session: Session) -> Page[Client]:
        """List API clients."""
        return LISTING.page(session, select(Client), query)

    @administers(WRITE, "client.create", _KEPT)
    @blueprint.arguments(ClientFields)
    @blueprint.response(201, ClientView)
    def post(self, values: dict[str, Any], session: Session) -> Any:
        """Add an API client, which can sign in once a secret is made."""
        return versioned(session, commands.create(session, current_principal(), values))


@blueprint.route("/<uuid:client_id>")
class ClientById(MethodView):
    @reads(READ)
    @blueprint.response(200, ClientView)
    def get(self, client_id: object, session: Session) -> Any:
        """Read an API client."""
        return versioned(session, queries.client(session, client_id))

    @administers(WRITE, "client.change", _KEPT, if_match=True)
    @blueprint.arguments(changes_of(ClientFields))
    @blueprint.response(200, ClientView)
    def patch(self, changes: dict[str, Any], client_id: object, session: Session) -> Any:
        """Change an API client: its name, its rights, or whether it may act at all."""
        client = queries.client(session, client_id)
        check_version(client)
        commands.change(session, current_principal(), client, changes)
        return versioned(session, client)


@blueprint.route("/<uuid:client_id>/secret")
class Secret(MethodView):
    @blueprint.arguments(NewSecret, required=False)
    @blueprint.response(201, ClientSecret)
    def post(self, new: dict[str, Any], client_id: object) -> Any:
        """Make a new secret in place of the one before, or for some time beside it."""
        principal = current_principal()
        require_everywhere(principal, WRITE)
        # Not by ``administers``, which would store the answer of a request with Idempotency-Key.
        with current_service().database.transaction() as session:
            client = queries.client(session, client_id)
            overlap = timedelta(seconds=new["overlap_seconds"])
            secret = commands.make_secret(session, principal, client, overlap)
        return {"client_id": client.id, "client_secret": secret}


@blueprint.route("/<uuid:client_id>/former-secret")
class FormerSecret(MethodView):
    @administers(WRITE, "client.end_former_secret")
    @blueprint.response(204)
    def delete(self, client_id: object, session: Session) -> None:
        """End the secret before the newest at once."""
        client = queries.client(session, client_id)
        commands.end_former_secret(session, current_principal(), client)
