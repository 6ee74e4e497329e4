"""``/v1/assignment-rules``"""

from __future__ import annotations

from typing import Any

from flask.views import MethodView
from marshmallow import fields
from sqlalchemy import select
from sqlalchemy.orm import Session

from crm_chassis.fields import changes_of
from crm_chassis.paging import Listing, Page, equals, page_schema
from crm_chassis.problems import not_found
from crm_chassis.web import Blueprint, check_version, reads, versioned, writes
from crm_sales.assignment import commands
from crm_sales.assignment.models import AssignmentRule
from crm_sales.assignment.schemas import AssignmentRuleFields, AssignmentRuleView

READ, WRITE = "sales.assignment_rules.read", "sales.assignment_rules.write"

LISTING = Listing(
    AssignmentRule,
    sorts={"position": AssignmentRule.position},
    default="position",
    filters={"active": equals(AssignmentRule.active, fields.Boolean)},
)

blueprint = Blueprint(
    "assignment_rules", __name__, url_prefix="/v1/assignment-rules", description="Assignment rules"
)


def _rule(session: Session, rule_id: object) -> AssignmentRule:
    found = session.get(AssignmentRule, str(rule_id))
    if found is None:
        raise not_found("assignment rule")
    return found


@blueprint.route("")
class AssignmentRules(MethodView):
    @reads(READ)
    @blueprint.arguments(LISTING.schema, location="query")
    @blueprint.response(200, page_schema(AssignmentRuleView))
    def get(self, query: dict[str, Any], session: Session) -> Page[AssignmentRule]:
        """List the rules, in the order in which they are tried."""
        return LISTING.page(session, select(AssignmentRule), query)

    @writes(WRITE, act="assignment_rule.create", keeps=AssignmentRuleFields().fields)
    @blueprint.arguments(AssignmentRuleFields)
    @blueprint.response(201, AssignmentRuleView)
    def post(self, values: dict[str, Any], session: Session) -> Any:
        """Add a rule for leads that come in without an owner."""
        return versioned(session, commands.create(session, values))


@blueprint.route("/<uuid:rule_id>")
class AssignmentRuleById(MethodView):
    @reads(READ)
    @blueprint.response(200, AssignmentRuleView)
    def get(self, rule_id: object, session: Session) -> Any:
        """Read a rule."""
        return versioned(session, _rule(session, rule_id))

    @writes(WRITE, act="assignment_rule.change", keeps=AssignmentRuleFields().fields, if_match=True)
    @blueprint.arguments(changes_of(AssignmentRuleFields))
    @blueprint.response(200, AssignmentRuleView)
    def patch(self, changes: dict[str, Any], rule_id: object, session: Session) -> Any:
        """Change a rule, or put it out of use."""
        rule = _rule(session, rule_id)
        check_version(rule)
        commands.change(session, rule, changes)
        return versioned(session, rule)
