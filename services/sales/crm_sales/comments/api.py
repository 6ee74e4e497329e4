"""``/v1/comments`` and ``/v1/mentions``"""

from __future__ import annotations

from typing import Any

from flask.views import MethodView
from marshmallow import fields
from sqlalchemy import ColumnElement
from sqlalchemy.orm import Session

from crm_chassis.auth import current_principal
from crm_chassis.paging import Filter, Listing, Page, page_schema
from crm_chassis.problems import not_found
from crm_chassis.web import Blueprint, check_version, reads, versioned, writes
from crm_sales import related
from crm_sales.comments import commands, queries
from crm_sales.comments.models import Comment, Mention
from crm_sales.comments.schemas import (
    CommentFields,
    CommentText,
    CommentView,
    MentionMark,
    MentionView,
    ThingQuery,
)

READ, WRITE = "sales.comments.read", commands.WRITE


def _read(read: bool) -> ColumnElement[bool]:
    return Mention.read_at.is_not(None) if read else Mention.read_at.is_(None)


COMMENTS = Listing(
    Comment, sorts={"created_at": Comment.created_at}, default="created_at", filters={}
)
MENTIONS = Listing(
    Mention,
    sorts={"created_at": Mention.created_at},
    default="-created_at",
    filters={"read": Filter(fields.Boolean(), _read)},
)

blueprint = Blueprint("comments", __name__, url_prefix="/v1", description="Comments and mentions")


def _to_change(session: Session, comment_id: object) -> Comment:
    comment = session.get(Comment, str(comment_id))
    if comment is None or comment.text is None:
        raise not_found("comment")
    if related.find(session, comment.related_type, comment.related_id) is None:
        raise not_found("comment")
    check_version(comment)
    return comment


@blueprint.route("/comments")
class Comments(MethodView):
    @reads(READ)
    @blueprint.arguments(ThingQuery, location="query")
    @blueprint.response(200, page_schema(CommentView))
    def get(self, query: dict[str, Any], session: Session) -> Page[Comment]:
        """Read what was said about a thing, oldest first."""
        thing = related.seen(session, query["related_type"], query["related_id"])
        return COMMENTS.page(session, queries.comments_on(thing), {"sort": "created_at", **query})

    @writes(WRITE)
    @blueprint.arguments(CommentFields)
    @blueprint.response(201, CommentView)
    def post(self, values: dict[str, Any], session: Session) -> Any:
        """Say something about a thing, and mention others."""
        return versioned(session, commands.make(session, current_principal(), values))


@blueprint.route("/comments/<uuid:comment_id>")
class CommentById(MethodView):
    @writes(WRITE, if_match=True)
    @blueprint.arguments(CommentText)
    @blueprint.response(200, CommentView)
    def put(self, values: dict[str, Any], comment_id: object, session: Session) -> Any:
        """Say it otherwise; its author may."""
        comment = _to_change(session, comment_id)
        commands.change(session, current_principal(), comment, values)
        return versioned(session, comment)

    @writes(WRITE, if_match=True)
    @blueprint.response(204)
    def delete(self, comment_id: object, session: Session) -> None:
        """Take it back; its author may."""
        commands.withdraw(session, current_principal(), _to_change(session, comment_id))


@blueprint.route("/mentions")
class Mentions(MethodView):
    @reads(READ)
    @blueprint.arguments(MENTIONS.schema, location="query")
    @blueprint.response(200, page_schema(MentionView))
    def get(self, query: dict[str, Any], session: Session) -> Page[Mention]:
        """List where the user who asks is mentioned, the latest first."""
        return MENTIONS.page(session, queries.mentions_of(current_principal()), query)


@blueprint.route("/mentions/<uuid:mention_id>")
class MentionById(MethodView):
    @writes(READ)
    @blueprint.arguments(MentionMark)
    @blueprint.response(200, MentionView)
    def put(self, values: dict[str, Any], mention_id: object, session: Session) -> Mention:
        """Mark one's mention as read, or as not."""
        statement = queries.mentions_of(current_principal()).where(Mention.id == str(mention_id))
        mention = session.scalars(statement).one_or_none()
        if mention is None:
            raise not_found("mention")
        commands.mark(mention, values["read"])
        return mention
