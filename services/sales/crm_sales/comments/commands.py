"""What can be done with comments and mentions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy.orm import Session

from crm_chassis import directory
from crm_chassis.auth import Principal, forbidden
from crm_chassis.database import new_id, utc_now
from crm_chassis.problems import invalid
from crm_sales import related
from crm_sales.comments import events
from crm_sales.comments.models import Comment, Mention

WRITE = "sales.comments.write"


def make(session: Session, principal: Principal, values: dict[str, Any]) -> Comment:
    """Say something about a thing.

    :raises Problem: 422 when it is not there or not visible, or a mentioned user is not known.
    """
    thing = related.named(session, values["related_type"], values["related_id"])
    comment = Comment(
        id=new_id(),
        related_type=thing.type,
        related_id=thing.id,
        author_id=principal.id,
        text=values["text"],
    )
    _mention(session, comment, values["mentions"])
    session.add(comment)
    events.comment_made(session, comment)
    return comment


def change(
    session: Session, principal: Principal, comment: Comment, values: dict[str, Any]
) -> None:
    """Say it otherwise; who was mentioned before and read it has read it.

    :raises Problem: 403 for somebody else's comment.
    """
    _require_author(principal, comment)
    comment.text, comment.edited_at = values["text"], utc_now()
    _mention(session, comment, values["mentions"])
    events.comment_changed(session, comment)


def withdraw(session: Session, principal: Principal, comment: Comment) -> None:
    """Take back what was said.

    :raises Problem: 403 for somebody else's comment.
    """
    _require_author(principal, comment)
    comment.text, comment.mentions = None, []
    events.comment_withdrawn(session, comment)


def mark(mention: Mention, read: bool) -> None:
    """Remember whether a mention was read; the first reading counts."""
    mention.read_at = (mention.read_at or utc_now()) if read else None


def _require_author(principal: Principal, comment: Comment) -> None:
    if comment.author_id != principal.id:
        raise forbidden("to be the comment's author")


def _mention(session: Session, comment: Comment, user_ids: Iterable[str]) -> None:
    """Mention these users and no others."""
    wanted = set(user_ids)
    if unknown := wanted - directory.active_users(session, wanted).keys():
        raise invalid(("mentions", f"No such user: {', '.join(sorted(unknown))}."))
    kept = [mention for mention in comment.mentions if mention.user_id in wanted]
    new = wanted - {mention.user_id for mention in kept}
    comment.mentions = kept + [
        Mention(user_id=user_id, related_type=comment.related_type, related_id=comment.related_id)
        for user_id in sorted(new)
    ]
