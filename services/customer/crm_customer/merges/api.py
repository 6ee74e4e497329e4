"""``/v1/merges``"""

from __future__ import annotations

from typing import Any

from flask.views import MethodView
from sqlalchemy import Select, and_, false, or_, select
from sqlalchemy.orm import Session

from crm_chassis.auth import current_principal, visible
from crm_chassis.fields import Reference
from crm_chassis.paging import Listing, Page, equals, page_schema
from crm_chassis.problems import not_found
from crm_chassis.web import Blueprint, check_version, reads, versioned, writes
from crm_customer.kinds import KINDS
from crm_customer.merges import commands
from crm_customer.merges.models import Merge
from crm_customer.merges.schemas import MergeView, NewMerge

READ, WRITE = "customer.merges.read", "customer.merges.write"

LISTING = Listing(
    Merge,
    sorts={"created_at": Merge.created_at},
    default="-created_at",
    filters={
        "kind": equals(Merge.kind),
        "status": equals(Merge.status),
        "survivor_id": equals(Merge.survivor_id, Reference),
        "merged_id": equals(Merge.merged_id, Reference),
    },
    search=[],
)

blueprint = Blueprint("merges", __name__, url_prefix="/v1/merges", description="Merges")


def _visible_merges() -> Select[tuple[Merge]]:
    """The merges whose survivor the current principal may read."""
    principal = current_principal()
    of_kind = [
        and_(
            Merge.kind == kind.name,
            visible(select(kind.model.id), kind.model, kind.read)
            .where(kind.model.id == Merge.survivor_id)
            .exists(),
        )
        for kind in KINDS.values()
        if principal.may(kind.read)
    ]
    return select(Merge).where(or_(false(), *of_kind))


def _merge(session: Session, merge_id: object, *, lock: bool = False) -> Merge:
    statement = _visible_merges().where(Merge.id == str(merge_id))
    found = session.scalars(statement.with_for_update() if lock else statement).one_or_none()
    if found is None:
        raise not_found("merge")
    return found


@blueprint.route("")
class Merges(MethodView):
    @reads(READ)
    @blueprint.arguments(LISTING.schema, location="query")
    @blueprint.response(200, page_schema(MergeView))
    def get(self, query: dict[str, Any], session: Session) -> Page[Merge]:
        """List merges."""
        return LISTING.page(session, _visible_merges(), query)

    @writes(WRITE)
    @blueprint.arguments(NewMerge)
    @blueprint.response(201, MergeView)
    def post(self, values: dict[str, Any], session: Session) -> Any:
        """Make one of two records; everything of the merged one follows."""
        return versioned(session, commands.merge(session, current_principal(), values))


@blueprint.route("/<uuid:merge_id>")
class MergeById(MethodView):
    @reads(READ)
    @blueprint.response(200, MergeView)
    def get(self, merge_id: object, session: Session) -> Any:
        """Read a merge."""
        return versioned(session, _merge(session, merge_id))


@blueprint.route("/<uuid:merge_id>/undo")
class MergeUndo(MethodView):
    @writes(WRITE, if_match=True)
    @blueprint.response(200, MergeView)
    def post(self, merge_id: object, session: Session) -> Any:
        """Have both records stand again as they were, unless the survivor was changed since."""
        merge = _merge(session, merge_id, lock=True)
        check_version(merge)
        commands.undo(session, current_principal(), merge)
        return versioned(session, merge)
