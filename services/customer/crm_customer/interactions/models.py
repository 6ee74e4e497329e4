"""What passed between us and a customer."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from crm_chassis.aggregate import Owned, Versioned
from crm_chassis.database import Id, Instant, Json, UTCDateTime
from crm_customer.tables import Tables

KINDS = ("email", "call", "chat", "meeting", "visit")
DIRECTIONS = ("in", "out")


class Interaction(Versioned, Owned, Tables):
    """An e-mail, a call, a chat, a meeting or a visit. The owner is who had it.

    The kinds share their columns, and name them each in its own way.

    :ivar direction: who began: the customer (``in``), or we.
    :ivar channel: by what way; the kind, unless something more precise was said.
    :ivar occurred_at: when it was sent, or began; :ivar occurred_on: the business day of that.
    :ivar ended_at: of what lasts; :ivar seconds: how long it lasted.
    :ivar subject: of an e-mail; the topic of a meeting.
    :ivar text: body, log, text, minutes or notes.
    :ivar sender: of an e-mail; :ivar participants: who else took part, as names or addresses.
    :ivar reference: an e-mail's message id; where the recording of a call is.
    :ivar place: of a visit.
    :ivar opened_at: when an e-mail was first opened; :ivar replied_at: when it was answered.
    :ivar attachments: how many it has.
    """

    __tablename__ = "interactions"
    __table_args__ = (
        Index("interactions_by_occurred_at", "occurred_at", "id"),
        Index("interactions_by_account", "account_id", "occurred_at", "id"),
        Index("interactions_by_contact", "contact_id", "occurred_at", "id"),
        Index("interactions_by_owner", "owner_id", "occurred_at", "id"),
        Index("interactions_by_team", "team_id", "occurred_at", "id"),
        Index("interactions_by_kind", "kind", "occurred_at", "id"),
    )

    external_id: Mapped[str | None] = mapped_column(String(200), unique=True)
    kind: Mapped[str] = mapped_column(String(10))
    direction: Mapped[str] = mapped_column(String(3), default="out")
    channel: Mapped[str] = mapped_column(String(30))
    account_id: Mapped[Id | None] = mapped_column(ForeignKey("accounts.id"))
    contact_id: Mapped[Id | None] = mapped_column(ForeignKey("contacts.id"))
    occurred_at: Mapped[Instant]
    occurred_on: Mapped[date]
    ended_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    seconds: Mapped[int | None]
    subject: Mapped[str | None] = mapped_column(String(500))
    text: Mapped[str | None] = mapped_column(Text)
    sender: Mapped[str | None] = mapped_column(String(254))
    participants: Mapped[list[str]] = mapped_column(Json, default=list)
    reference: Mapped[str | None] = mapped_column(String(500))
    place: Mapped[str | None] = mapped_column(String(500))
    opened_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    replied_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    outcome: Mapped[str | None] = mapped_column(String(100))
    attachments: Mapped[int] = mapped_column(default=0)
