"""The three ways to get tokens (RFC 6749), and the end of them (RFC 7009)."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from crm_chassis.database import utc_now
from crm_chassis.operations.administration import record_act
from crm_chassis.problems import Problem
from crm_gateway.clients.models import Client
from crm_gateway.sign_in import commands
from crm_gateway.sign_in.models import SignInSession
from crm_gateway.sign_in.passwords import (
    hash_password,
    is_outdated,
    verify_password,
    verify_secret,
)
from crm_gateway.sign_in.queries import principal_of
from crm_gateway.users.models import User
from crm_gateway.users.queries import user_by_email
from crm_gateway.wiring import Gateway


class TokenRefused(Problem):
    """A problem that is told in the words of RFC 6749, section 5.2, too.

    :param error: ``invalid_grant`` and the like.
    """

    def __init__(
        self, error: str, detail: str, status: int = 400, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(status, error.replace("_", "-"), detail, headers=headers)
        self.error = error


@dataclass(frozen=True, slots=True)
class Issued:
    """An answer of the token endpoint.

    :ivar expires_in: seconds that the access token is good for.
    :ivar refresh_token: None for API clients, which sign in anew.
    """

    access_token: str
    expires_in: int
    refresh_token: str | None


def _wrong_sign_in() -> TokenRefused:
    # One text for all that can be wrong, so that nobody learns which accounts there are.
    return TokenRefused("invalid_grant", "The e-mail address or the password is wrong.")


def by_password(gateway: Gateway, email: str, password: str, address: str) -> Issued:
    """Sign a user in.

    :param address: where the request comes from.
    :raises TokenRefused: when one of both is wrong, or the user may not sign in.
    :raises Problem: 429 after too many failures.
    """
    account = email.strip().lower()
    gateway.throttle.enter(account, address)
    with gateway.database.reading() as session:
        user = user_by_email(session, account)
    matches = verify_password(user.password_hash if user else None, password)
    tokens = _open(gateway, user, password) if user and matches else None
    if tokens is None:
        if gateway.throttle.failed(account, address):
            _keep_lockout(gateway, f"/v1/users/{user.id}" if user else None)
        raise _wrong_sign_in()
    gateway.throttle.succeeded(account, address)
    return tokens


def _open(gateway: Gateway, verified: User, password: str) -> Issued | None:
    """Open a session of a user whose password was right when it was verified.

    :returns: None when the user may not sign in, or has another password by now.
    """
    lasts = timedelta(days=gateway.settings.session_days)
    with gateway.database.transaction() as session:
        user = session.get_one(User, verified.id, with_for_update=True)
        changed = user.password_hash != verified.password_hash
        if not user.active or (changed and not verify_password(user.password_hash, password)):
            return None
        if is_outdated(str(user.password_hash)):
            user.password_hash = hash_password(password)
        opened = commands.open_session(session, user.id, "user", lasts)
        refresh_token = commands.issue_refresh_token(session, opened)
    return _issued(gateway, opened, refresh_token)


def by_client_credentials(
    gateway: Gateway, client_id: str, client_secret: str, address: str
) -> Issued:
    """Sign an API client in.

    Only failures of the address are limited: nobody guesses 256 random bits, and programs of one
    client may start many at a time.

    :raises TokenRefused: when id or secret is wrong, or the client may not sign in.
    :raises Problem: 429 after too many failures.
    """
    gateway.throttle.check_address(address)
    lasts = timedelta(seconds=gateway.settings.access_token_seconds)
    opened = None
    with gateway.database.transaction() as session:
        client = None
        if _is_id(client_id):
            client = session.get(Client, client_id, with_for_update=True)
        matches = verify_secret(client.digests(utc_now()) if client else [], client_secret)
        if client is not None and matches and client.active:
            opened = commands.open_session(session, client.id, "client", lasts)
    if opened is None:
        gateway.throttle.count_failure(address)
        raise TokenRefused(
            "invalid_client",
            "The client id or the secret is wrong.",
            401,
            {"WWW-Authenticate": 'Basic realm="crm"'},
        )
    return _issued(gateway, opened, None)


def by_refresh_token(gateway: Gateway, secret: str) -> Issued:
    """New tokens for a refresh token, which is used up by that.

    :raises TokenRefused: when it is unknown, used before, or of a session that is over.
    """
    with gateway.database.transaction() as session:
        opened = commands.use_refresh_token(session, secret)
        good = opened is not None and principal_of(session, opened.id) is not None
        refresh_token = commands.issue_refresh_token(session, opened) if opened and good else None
    # After the commit: a token used twice has just ended its session.
    if opened is None or refresh_token is None:
        raise TokenRefused("invalid_grant", "The refresh token is not good, or not any more.")
    return _issued(gateway, opened, refresh_token)


def revoke(gateway: Gateway, token: str) -> None:
    """End the session of a refresh token or of a good access token; of any other there is none."""
    try:
        session_id = gateway.access_tokens.verify(token).session_id
    except Problem:
        session_id = None
    with gateway.database.transaction() as session:
        session_id = session_id or commands.session_of_refresh_token(session, token)
        if session_id is not None:
            commands.end_session(session, session_id)


def _keep_lockout(gateway: Gateway, subject: str | None) -> None:
    """Of accounts that do not exist too: else the time it takes would tell which do."""
    with gateway.database.transaction() as session:
        record_act(session, "sign_in.lockout", subject, actor="gateway")


def _issued(gateway: Gateway, opened: SignInSession, refresh_token: str | None) -> Issued:
    tokens = gateway.access_tokens
    return Issued(tokens.issue(opened.principal_id, opened.id), tokens.seconds, refresh_token)


def _is_id(text: str) -> bool:
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return True
