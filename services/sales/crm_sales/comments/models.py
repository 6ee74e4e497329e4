"""What people say to each other about a thing, and whom they mention."""

from __future__ import annotations

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint, Uuid, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from crm_chassis.aggregate import Versioned
from crm_chassis.database import Id, Instant, Key, new_id, utc_now
from crm_sales.tables import Tables


class Comment(Versioned, Tables):
    """A comment. Who may see what it is about may read it; its author alone changes it.

    :ivar text: None once it was withdrawn.
    """

    __tablename__ = "comments"
    __table_args__ = (Index("comments_by_related", "related_id", "created_at", "id"),)

    related_type: Mapped[str] = mapped_column(String(20))
    related_id: Mapped[Id]
    author_id: Mapped[Id]
    text: Mapped[str | None] = mapped_column(String(4000))
    edited_at: Mapped[Instant | None]
    mentions: Mapped[list[Mention]] = relationship(
        back_populates="comment",
        cascade="all, delete-orphan",
        order_by="Mention.id",
        lazy="selectin",
    )

    @property
    def mentioned(self) -> list[str]:
        """The users it mentions."""
        return [mention.user_id for mention in self.mentions]


class Mention(Tables):
    """A user who is mentioned, and whether they have read it.

    What the comment is about stands here too, so that a user's mentions are found without reading
    the comments first.
    """

    __tablename__ = "mentions"
    __table_args__ = (
        UniqueConstraint("comment_id", "user_id"),
        Index("mentions_by_user", "user_id", "created_at", "id"),
        Index(
            "mentions_unread",
            "user_id",
            "created_at",
            "id",
            postgresql_where=text("read_at IS NULL"),
            sqlite_where=text("read_at IS NULL"),
        ),
    )

    id: Mapped[Key] = mapped_column(default=new_id)
    comment_id: Mapped[str] = mapped_column(
        Uuid(as_uuid=False), ForeignKey("comments.id", ondelete="CASCADE")
    )
    comment: Mapped[Comment] = relationship(back_populates="mentions", lazy="raise_on_sql")
    user_id: Mapped[Id]
    related_type: Mapped[str] = mapped_column(String(20))
    related_id: Mapped[Id]
    created_at: Mapped[Instant] = mapped_column(default=utc_now)
    read_at: Mapped[Instant | None]
