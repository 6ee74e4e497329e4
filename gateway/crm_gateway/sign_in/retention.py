"""How long sessions, used refresh tokens and expired keys are kept."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import cast

from sqlalchemy import ColumnElement, Table, delete, or_, select
from sqlalchemy.orm import Session

from crm_chassis.database import rows_changed, utc_now
from crm_chassis.operations.retention import Kept, older_than
from crm_gateway.settings import GatewaySettings
from crm_gateway.sign_in.models import RefreshToken, SigningKey, SignInSession


def kept(settings: GatewaySettings) -> list[Kept]:
    """What the gateway keeps for a time.

    A session's tokens go before it, so that no session takes thousands with it at once. A used
    one is remembered to end the session of whoever uses it again; a copy that is older is refused
    as unknown.
    """
    ended = timedelta(days=settings.ended_session_days)
    used = timedelta(days=settings.used_token_days)
    tokens = cast("Table", RefreshToken.__table__)

    def tokens_of_ended(session: Session, limit: int) -> int:
        of_ended = select(SignInSession.id).where(_ended_before(utc_now() - ended))
        chosen = select(tokens.c.digest).where(tokens.c.session_id.in_(of_ended)).limit(limit)
        return rows_changed(session.execute(delete(tokens).where(tokens.c.digest.in_(chosen))))

    def sessions(session: Session, limit: int) -> int:
        chosen = select(SignInSession.id).where(_ended_before(utc_now() - ended)).limit(limit)
        found = delete(SignInSession).where(SignInSession.id.in_(chosen))
        return rows_changed(session.execute(found))

    def keys(session: Session, limit: int) -> int:
        oldest = utc_now() - timedelta(days=settings.expired_key_days)
        chosen = select(SigningKey.id).where(SigningKey.expires_at < oldest).limit(limit)
        return rows_changed(session.execute(delete(SigningKey).where(SigningKey.id.in_(chosen))))

    return [
        older_than(used, tokens, tokens.c.used_at),
        Kept("tokens_of_ended_sessions", tokens_of_ended),
        Kept("sessions", sessions),
        Kept("signing_keys", keys),
    ]


def _ended_before(oldest: datetime) -> ColumnElement[bool]:
    return or_(SignInSession.expires_at < oldest, SignInSession.revoked_at < oldest)
