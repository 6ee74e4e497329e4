"""``/v1/interactions``, and the figures of a customer's interactions."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from flask.views import MethodView
from marshmallow import fields, validate
from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from crm_chassis.aggregate import visible_one, visible_to_change
from crm_chassis.attachments import Attachable
from crm_chassis.auth import current_principal
from crm_chassis.fields import Instant, Reference
from crm_chassis.imports import Importer
from crm_chassis.imports_api import Export
from crm_chassis.paging import (
    Filter,
    Listing,
    Page,
    Protected,
    at_least,
    at_most,
    equals,
    page_schema,
)
from crm_chassis.problems import not_found
from crm_chassis.web import Blueprint, reads, versioned, writes
from crm_customer.accounts.models import Account
from crm_customer.accounts.queries import READ as READ_ACCOUNTS
from crm_customer.contacts.models import Contact
from crm_customer.interactions import commands, queries
from crm_customer.interactions.models import DIRECTIONS, KINDS, Interaction
from crm_customer.interactions.queries import READ, READ_CONTACTS, WRITE, visible_interactions
from crm_customer.interactions.schemas import (
    CONTENT_RIGHT,
    FiguresQuery,
    InteractionChanges,
    InteractionExport,
    InteractionFields,
    InteractionFigures,
    InteractionRow,
    InteractionView,
)

_KIND = fields.List(fields.String(validate=validate.OneOf(KINDS)), validate=validate.Length(1, 100))
_DIRECTION = fields.String(validate=validate.OneOf(DIRECTIONS))

LISTING = Listing(
    Interaction,
    sorts={"occurred_at": Interaction.occurred_at},
    default="-occurred_at",
    filters={
        "account_id": equals(Interaction.account_id, Reference),
        "contact_id": equals(Interaction.contact_id, Reference),
        "kind": Filter(_KIND, Interaction.kind.in_),
        "channel": equals(Interaction.channel),
        "direction": Filter(_DIRECTION, lambda value: Interaction.direction == value),
        "owner_id": equals(Interaction.owner_id, Reference),
        "team_id": equals(Interaction.team_id, Reference),
        "external_id": equals(Interaction.external_id),
        "occurred_at_from": at_least(Interaction.occurred_at, Instant),
        "occurred_at_to": at_most(Interaction.occurred_at, Instant),
        "occurred_on_from": at_least(Interaction.occurred_on, fields.Date),
        "occurred_on_to": at_most(Interaction.occurred_on, fields.Date),
    },
    search=[
        Protected(Interaction.subject, CONTENT_RIGHT),
        Protected(Interaction.text, CONTENT_RIGHT),
    ],
)

blueprint = Blueprint(
    "interactions", __name__, url_prefix="/v1/interactions", description="Interactions"
)
figures_blueprint = Blueprint(
    "interaction_figures", __name__, url_prefix="/v1", description="Interactions"
)


def _selected() -> Select[tuple[Interaction]]:
    return visible_interactions(select(Interaction), READ)


@blueprint.route("")
class Interactions(MethodView):
    @reads(READ)
    @blueprint.arguments(LISTING.schema, location="query")
    @blueprint.response(200, page_schema(InteractionView))
    def get(self, query: dict[str, Any], session: Session) -> Page[Interaction]:
        """List interactions."""
        return LISTING.page(session, _selected(), query)

    @writes(WRITE)
    @blueprint.arguments(InteractionFields)
    @blueprint.response(201, InteractionView)
    def post(self, values: dict[str, Any], session: Session) -> Any:
        """Record an interaction."""
        interaction = commands.record(session, current_principal(), values)
        return versioned(session, interaction)


@blueprint.route("/<uuid:interaction_id>")
class InteractionById(MethodView):
    @reads(READ)
    @blueprint.response(200, InteractionView)
    def get(self, interaction_id: object, session: Session) -> Any:
        """Read an interaction."""
        chosen = _selected().where(Interaction.id == str(interaction_id))
        interaction = session.scalars(chosen).one_or_none()
        if interaction is None:
            raise not_found("interaction")
        return versioned(session, interaction)

    @writes(WRITE, if_match=True)
    @blueprint.arguments(InteractionChanges)
    @blueprint.response(200, InteractionView)
    def patch(self, changes: dict[str, Any], interaction_id: object, session: Session) -> Any:
        """Change an interaction."""
        interaction = visible_to_change(session, Interaction, interaction_id, WRITE)
        commands.change(session, interaction, changes)
        return versioned(session, interaction)


@figures_blueprint.route("/accounts/<uuid:account_id>/interaction-figures")
class AccountFigures(MethodView):
    @reads(READ)
    @figures_blueprint.arguments(FiguresQuery, location="query")
    @figures_blueprint.response(200, InteractionFigures)
    def get(self, query: dict[str, Any], account_id: object, session: Session) -> Any:
        """Figures of the interactions with an account."""
        account = visible_one(session, Account, account_id, READ_ACCOUNTS)
        return _figures(session, "account_id", account.id, query["within_days"])


@figures_blueprint.route("/contacts/<uuid:contact_id>/interaction-figures")
class ContactFigures(MethodView):
    @reads(READ)
    @figures_blueprint.arguments(FiguresQuery, location="query")
    @figures_blueprint.response(200, InteractionFigures)
    def get(self, query: dict[str, Any], contact_id: object, session: Session) -> Any:
        """Figures of the interactions with a contact."""
        contact = visible_one(session, Contact, contact_id, READ_CONTACTS)
        return _figures(session, "contact_id", contact.id, query["within_days"])


def _figures(session: Session, name: str, key: str, within_days: int) -> dict[str, Any]:
    customer = getattr(Interaction, name) == key
    total, channels = queries.figures(session, customer)
    return {
        "channels": [asdict(each) for each in channels],
        "total": asdict(total),
        "within_days": within_days,
        "order_conversion": queries.conversion(session, customer, name, "order", within_days),
        "win_conversion": queries.conversion(session, customer, name, "win", within_days),
    }


IMPORTER = Importer("interactions", InteractionRow, commands.import_rows, WRITE)
EXPORT = Export("interactions", InteractionExport, LISTING, _selected, READ)
ATTACHMENTS = Attachable(
    resource="interactions",
    model=Interaction,
    read=READ,
    write=WRITE,
    right=CONTENT_RIGHT,
    reach=visible_interactions,
    changed=commands.attachments_changed,
)
