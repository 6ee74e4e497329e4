"""``/v1/targets``"""

from __future__ import annotations

from typing import Any

from flask.views import MethodView
from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from crm_chassis.auth import current_principal
from crm_chassis.fields import Reference
from crm_chassis.imports import Importer
from crm_chassis.imports_api import Export
from crm_chassis.paging import Listing, Page, equals, page_schema
from crm_chassis.web import Blueprint, reads, versioned, writes
from crm_sales.targets import commands, queries
from crm_sales.targets.models import Target
from crm_sales.targets.schemas import TargetFields, TargetRow, TargetView

READ, WRITE = "sales.targets.read", commands.WRITE

LISTING = Listing(
    Target,
    sorts={"month": Target.month},
    default="-month",
    filters={
        "scope": equals(Target.scope),
        "measure": equals(Target.measure),
        "member_id": equals(Target.member_id, Reference),
        "month": equals(Target.month),
        "currency": equals(Target.currency),
    },
)

blueprint = Blueprint("targets", __name__, url_prefix="/v1/targets", description="Targets")


def _visible_targets() -> Select[tuple[Target]]:
    return select(Target).where(queries.visible(current_principal(), READ))


@blueprint.route("")
class Targets(MethodView):
    @reads(READ)
    @blueprint.arguments(LISTING.schema, location="query")
    @blueprint.response(200, page_schema(TargetView))
    def get(self, query: dict[str, Any], session: Session) -> Page[Target]:
        """List targets."""
        return LISTING.page(session, _visible_targets(), query)

    @writes(WRITE)
    @blueprint.arguments(TargetFields)
    @blueprint.response(200, TargetView)
    def put(self, values: dict[str, Any], session: Session) -> Any:
        """Set the target of the company, a team or a person for a month."""
        return versioned(session, commands.put(session, current_principal(), values))


IMPORTER = Importer("targets", TargetRow, commands.import_rows, WRITE)
EXPORT = Export("targets", TargetView, LISTING, _visible_targets, READ)
