"""``/v1/tags``, ``/v1/tag-rules`` and the tags of a customer"""

from __future__ import annotations

from typing import Any

from flask.views import MethodView
from sqlalchemy import select
from sqlalchemy.orm import Session

from crm_chassis.aggregate import visible_one
from crm_chassis.paging import Listing, Page, equals, page_schema
from crm_chassis.problems import not_found
from crm_chassis.web import Blueprint, check_version, reads, versioned, writes
from crm_customer.kinds import KINDS, Kind
from crm_customer.tags import commands
from crm_customer.tags.models import Tag, TagRule
from crm_customer.tags.schemas import (
    BorneTags,
    RuleChanges,
    RuleFields,
    RuleView,
    TagChanges,
    TagFields,
    TagView,
)

READ, WRITE = "customer.tags.read", "customer.tags.write"

TAGS = Listing(
    Tag,
    sorts={"created_at": Tag.created_at, "label": Tag.label},
    default="label",
    filters={"key": equals(Tag.key), "category": equals(Tag.category)},
    search=[Tag.key, Tag.label],
)
RULES = Listing(
    TagRule,
    sorts={"created_at": TagRule.created_at, "position": TagRule.position},
    default="position",
    filters={"kind": equals(TagRule.kind), "tag": equals(TagRule.tag)},
)

blueprint = Blueprint("tags", __name__, url_prefix="/v1", description="Tags")


@blueprint.route("/tags")
class Tags(MethodView):
    @reads(READ)
    @blueprint.arguments(TAGS.schema, location="query")
    @blueprint.response(200, page_schema(TagView))
    def get(self, query: dict[str, Any], session: Session) -> Page[Tag]:
        """List tags."""
        return TAGS.page(session, select(Tag), query)

    @writes(WRITE, act="tag.create", keeps=TagFields().fields)
    @blueprint.arguments(TagFields)
    @blueprint.response(201, TagView)
    def post(self, values: dict[str, Any], session: Session) -> Any:
        """Add a tag."""
        return versioned(session, commands.create_tag(session, values))


@blueprint.route("/tags/<key>")
class TagByKey(MethodView):
    @reads(READ)
    @blueprint.response(200, TagView)
    def get(self, key: str, session: Session) -> Any:
        """Read a tag."""
        return versioned(session, _tag(session, key))

    @writes(WRITE, act="tag.change", keeps=TagChanges().fields, if_match=True)
    @blueprint.arguments(TagChanges)
    @blueprint.response(200, TagView)
    def patch(self, changes: dict[str, Any], key: str, session: Session) -> Any:
        """Change how a tag looks."""
        tag = _tag(session, key)
        check_version(tag)
        commands.change_tag(session, tag, changes)
        return versioned(session, tag)

    @writes(WRITE, act="tag.delete", if_match=True)
    @blueprint.response(204)
    def delete(self, key: str, session: Session) -> None:
        """Delete a tag that no customer bears and no rule gives."""
        tag = _tag(session, key)
        check_version(tag)
        commands.delete_tag(session, tag)


def _tag(session: Session, key: str) -> Tag:
    tag = session.scalar(select(Tag).where(Tag.key == key))
    if tag is None:
        raise not_found("tag")
    return tag


@blueprint.route("/tag-rules")
class Rules(MethodView):
    @reads(READ)
    @blueprint.arguments(RULES.schema, location="query")
    @blueprint.response(200, page_schema(RuleView))
    def get(self, query: dict[str, Any], session: Session) -> Page[TagRule]:
        """List the rules that give tags."""
        return RULES.page(session, select(TagRule), query)

    @writes(WRITE, act="tag_rule.create", keeps=RuleFields().fields)
    @blueprint.arguments(RuleFields)
    @blueprint.response(201, RuleView)
    def post(self, values: dict[str, Any], session: Session) -> Any:
        """Add a rule; it is asked about every customer."""
        return versioned(session, commands.create_rule(session, values))


@blueprint.route("/tag-rules/<uuid:rule_id>")
class RuleById(MethodView):
    @reads(READ)
    @blueprint.response(200, RuleView)
    def get(self, rule_id: object, session: Session) -> Any:
        """Read a rule."""
        return versioned(session, _rule(session, rule_id))

    @writes(WRITE, act="tag_rule.change", keeps=RuleChanges().fields, if_match=True)
    @blueprint.arguments(RuleChanges)
    @blueprint.response(200, RuleView)
    def patch(self, changes: dict[str, Any], rule_id: object, session: Session) -> Any:
        """Change a rule; it is asked about every customer again."""
        rule = _rule(session, rule_id)
        check_version(rule)
        commands.change_rule(session, rule, changes)
        return versioned(session, rule)

    @writes(WRITE, act="tag_rule.delete", if_match=True)
    @blueprint.response(204)
    def delete(self, rule_id: object, session: Session) -> None:
        """Delete a rule; the tags that it gave are taken."""
        rule = _rule(session, rule_id)
        check_version(rule)
        commands.delete_rule(session, rule)


def _rule(session: Session, rule_id: object) -> TagRule:
    rule = session.get(TagRule, str(rule_id))
    if rule is None:
        raise not_found("rule")
    return rule


def _route_tags_of(kind: Kind) -> None:
    resource = f"{kind.name}s"

    @blueprint.route(f"/{resource}/<uuid:customer_id>/tags/<key>", endpoint=f"tag_of_{resource}")
    class TagOfCustomer(MethodView):
        @writes(kind.write)
        @blueprint.response(200, BorneTags)
        def put(self, customer_id: object, key: str, session: Session) -> Any:
            """Give a tag by hand, in the place of another one of its category."""
            customer = visible_one(session, kind.model, customer_id, kind.write, lock=True)
            commands.give(session, customer, key)
            return versioned(session, customer)

        @writes(kind.write)
        @blueprint.response(200, BorneTags)
        def delete(self, customer_id: object, key: str, session: Session) -> Any:
            """Take a tag that was given by hand."""
            customer = visible_one(session, kind.model, customer_id, kind.write, lock=True)
            commands.take(session, customer, key)
            return versioned(session, customer)


for _kind in KINDS.values():
    _route_tags_of(_kind)
