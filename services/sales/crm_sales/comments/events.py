"""What is told of comments."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from crm_chassis.outbox import record
from crm_sales.comments.models import Comment


def comment_state(comment: Comment) -> dict[str, Any]:
    return {
        "id": comment.id,
        "related_type": comment.related_type,
        "related_id": comment.related_id,
        "author_id": comment.author_id,
        "text": comment.text,
        "mentions": sorted(comment.mentioned),
    }


def comment_made(session: Session, comment: Comment) -> None:
    record(session, "crm.sales.comment.made.v1", comment, comment_state)


def comment_changed(session: Session, comment: Comment) -> None:
    record(session, "crm.sales.comment.changed.v1", comment, comment_state)


def comment_withdrawn(session: Session, comment: Comment) -> None:
    record(session, "crm.sales.comment.withdrawn.v1", comment, comment_state)
