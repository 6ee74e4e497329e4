"""Questions about sessions."""

from __future__ import annotations

from sqlalchemy.orm import Session

from crm_chassis.auth import Principal
from crm_chassis.database import utc_now
from crm_gateway.clients.models import Client
from crm_gateway.sign_in.models import SignInSession
from crm_gateway.users.models import User


def principal_of(session: Session, session_id: str) -> Principal | None:
    """Who stands behind a session; None when it is over, or its principal may not act."""
    opened = session.get(SignInSession, session_id)
    if opened is None or not opened.is_open(utc_now()):
        return None
    key = opened.principal_id
    holder: User | Client | None = (
        session.get(User, key) if opened.kind == "user" else session.get(Client, key)
    )
    return holder.as_principal() if holder is not None and holder.active else None
