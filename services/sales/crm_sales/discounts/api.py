"""``/v1/discount-limits``"""

from __future__ import annotations

import re
from typing import Any

from flask.views import MethodView
from sqlalchemy import select
from sqlalchemy.orm import Session

from crm_chassis.paging import Listing, Page, equals, page_schema
from crm_chassis.problems import not_found
from crm_chassis.web import Blueprint, check_version, reads, versioned, writes
from crm_sales.discounts import commands, queries
from crm_sales.discounts.models import DiscountLimit
from crm_sales.discounts.schemas import LimitFields, LimitView

READ, WRITE = "sales.discount_limits.read", "sales.discount_limits.write"
_ROLE = re.compile(r"[a-z][a-z0-9_]{1,59}")

LISTING = Listing(
    DiscountLimit,
    sorts={"role": DiscountLimit.role},
    default="role",
    filters={"role": equals(DiscountLimit.role)},
)

blueprint = Blueprint(
    "discount_limits", __name__, url_prefix="/v1/discount-limits", description="Discount limits"
)


@blueprint.route("")
class DiscountLimits(MethodView):
    @reads(READ)
    @blueprint.arguments(LISTING.schema, location="query")
    @blueprint.response(200, page_schema(LimitView))
    def get(self, query: dict[str, Any], session: Session) -> Page[DiscountLimit]:
        """List how much each role may let off."""
        return LISTING.page(session, select(DiscountLimit), query)


@blueprint.route("/<role>")
class DiscountLimitOfRole(MethodView):
    @writes(WRITE, if_match=True)
    @blueprint.arguments(LimitFields)
    @blueprint.response(200, LimitView)
    def put(self, values: dict[str, Any], role: str, session: Session) -> Any:
        """Set how much a role may let off; a limit that is not set yet is of version 0."""
        if not _ROLE.fullmatch(role):
            raise not_found("role")
        limit = queries.limit_to_set(session, role)
        check_version(limit)
        return versioned(session, commands.put(session, limit, values["max_percent"]))
