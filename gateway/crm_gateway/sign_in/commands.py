"""What happens to sessions and refresh tokens."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

import structlog
from sqlalchemy import ColumnElement, update
from sqlalchemy.orm import Session

from crm_chassis.database import new_id, utc_now
from crm_gateway.sign_in.models import RefreshToken, SignInSession
from crm_gateway.sign_in.passwords import digest, new_secret

log = structlog.get_logger(__name__)


def open_session(
    session: Session, principal_id: str, kind: Literal["user", "client"], lasts: timedelta
) -> SignInSession:
    """Start a session of ``lasts``."""
    now = utc_now()
    opened = SignInSession(
        id=new_id(),
        principal_id=principal_id,
        kind=kind,
        started_at=now,
        expires_at=now + lasts,
        revoked_at=None,
    )
    session.add(opened)
    session.flush()
    return opened


def issue_refresh_token(session: Session, opened: SignInSession) -> str:
    """A new refresh token of a session; only its digest is stored."""
    secret = new_secret()
    session.add(
        RefreshToken(digest=digest(secret), session_id=opened.id, issued_at=utc_now(), used_at=None)
    )
    return secret


def use_refresh_token(session: Session, secret: str) -> SignInSession | None:
    """Use a refresh token up, once only.

    A second use means that somebody has a copy: the whole session is revoked, in this transaction.

    :returns: its session; None when the token is unknown or used, or the session is over.
    """
    now = utc_now()
    first_use = session.scalar(
        update(RefreshToken)
        .where(RefreshToken.digest == digest(secret), RefreshToken.used_at.is_(None))
        .values(used_at=now)
        .returning(RefreshToken.digest)
    )
    token = session.get(RefreshToken, digest(secret))
    if token is None:
        return None
    opened = session.get_one(SignInSession, token.session_id)
    if first_use is None:
        log.warning("refresh_token.reused", session=opened.id, principal=opened.principal_id)
        end_session(session, opened.id)
        return None
    return opened if opened.is_open(now) else None


def session_of_refresh_token(session: Session, secret: str) -> str | None:
    """The id of the session that a refresh token belongs to, used or not."""
    token = session.get(RefreshToken, digest(secret))
    return None if token is None else token.session_id


def end_session(session: Session, session_id: str) -> None:
    """Revoke a session: its refresh tokens at once, its access tokens within seconds."""
    _revoke(session, SignInSession.id == session_id)


def end_sessions(session: Session, principal_id: str) -> None:
    """Revoke every session of a principal.

    What was changed of the principal is written first: a sign-in beside waits for that, and opens
    no session on what was good before.
    """
    session.flush()
    _revoke(session, SignInSession.principal_id == principal_id)


def _revoke(session: Session, condition: ColumnElement[bool]) -> None:
    session.execute(
        update(SignInSession)
        .where(condition, SignInSession.revoked_at.is_(None))
        .values(revoked_at=utc_now())
    )
