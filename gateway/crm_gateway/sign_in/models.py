"""Sessions, their refresh tokens, and the keys that tokens are signed with."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from crm_chassis.database import Id, Instant, Json, Key
from crm_gateway.tables import Tables


class SignInSession(Tables):
    """One sign-in: every token that follows from it ends with it.

    :ivar principal_id: the user or API client that signed in.
    :ivar kind: ``user`` or ``client``.
    """

    __tablename__ = "sessions"

    id: Mapped[Key]
    principal_id: Mapped[Id] = mapped_column(index=True)
    kind: Mapped[str] = mapped_column(String(10))
    started_at: Mapped[Instant]
    expires_at: Mapped[Instant] = mapped_column(index=True)
    revoked_at: Mapped[Instant | None]

    def is_open(self, now: datetime) -> bool:
        return self.revoked_at is None and now < self.expires_at


class RefreshToken(Tables):
    """A refresh token, by digest; good for one use."""

    __tablename__ = "refresh_tokens"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    session_id: Mapped[Id] = mapped_column(
        ForeignKey("sessions.id", ondelete="CASCADE"), index=True
    )
    issued_at: Mapped[Instant]
    used_at: Mapped[Instant | None] = mapped_column(index=True)


class SigningKey(Tables):
    """An Ed25519 key pair.

    :ivar public: the public half as a JSON Web Key.
    :ivar sealed: the private half, encrypted.
    :ivar activated_at: since when it signs; None until then.
    :ivar retired_at: since when it signs no longer; what it has signed is good until `expires_at`.
    """

    __tablename__ = "signing_keys"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    public: Mapped[dict[str, Any]] = mapped_column(Json)
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    made_at: Mapped[Instant]
    activated_at: Mapped[Instant | None]
    retired_at: Mapped[Instant | None]
    expires_at: Mapped[Instant | None]
