"""What is asked about comments and mentions."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Select, select
from sqlalchemy.orm import joinedload

from crm_chassis.auth import Principal
from crm_sales import related
from crm_sales.comments.models import Comment, Mention


def comments_on(thing: related.Related) -> Select[tuple[Comment]]:
    """What was said about a thing and not taken back."""
    return select(Comment).where(Comment.related_id == thing.id, Comment.text.is_not(None))


def addressed_to(principal: Principal) -> ColumnElement[bool]:
    """The condition on mentions of somebody, of things that they may see."""
    visible = related.visible_related(Mention.related_type, Mention.related_id)
    return (Mention.user_id == principal.id) & visible


def mentions_of(principal: Principal) -> Select[tuple[Mention]]:
    """The mentions of somebody, of things that they may see."""
    comment = joinedload(Mention.comment).noload(Comment.mentions)
    return select(Mention).options(comment).where(addressed_to(principal))
